-- A chat room for nc and telnet: atools-lua scripts/examples/chat.lua [address]
local atools = require "atools"
local asocket = require "asocket"

local members, guests = {}, 0 -- members[connection] = nickname

-- enqueue never waits: who does not read misses lines instead of holding up the room
local function say(text, except)
  for conn in pairs(members) do
    if conn ~= except then
      conn:enqueue(text, "\n")
    end
  end
end

local commands = {}

function commands.who(conn)
  local names = {}
  for _, name in pairs(members) do
    names[#names + 1] = name
  end
  table.sort(names)
  conn:write("* here: ", table.concat(names, ", "), "\n")
end

function commands.nick(conn, name)
  if not name:find("^[%w_-]+$") or #name > 20 then
    return conn:write("* a nickname is 1 to 20 letters, digits, _ or -\n")
  end
  for _, taken in pairs(members) do
    if taken == name then
      return conn:write("* ", name, " is here already\n")
    end
  end
  say(("* %s is now %s"):format(members[conn], name))
  members[conn] = name
end

function commands.quit(conn)
  conn:write("* bye\n")
  conn:close()
end

local listener = assert(asocket.listen(arg[1] or "127.0.0.1:7007", {
  frame = "line", max_frame = 512, idle_timeout = 1800,
  on_open = function(conn)
    guests = guests + 1
    members[conn] = "guest" .. guests
    conn:write("* welcome, ", members[conn], ": /nick NAME  /who  /quit\n")
    say(("* %s joined"):format(members[conn]), conn)
  end,
  on_data = function(conn, line)
    local name, rest = line:match("^/(%S+)%s*(.-)%s*$")
    if not name then
      say(("<%s> %s"):format(members[conn], line:gsub("%c", "")), conn)
    elseif commands[name] then
      commands[name](conn, rest)
    else
      conn:write("* no such command: /nick NAME  /who  /quit\n")
    end
  end,
  on_close = function(conn)
    local name = members[conn]
    members[conn] = nil
    say(("* %s left"):format(name))
  end,
}))

local host, port = listener:local_address()
local soft, hard = asocket.getMaxFiles()
print(("chat room on %s, join with: nc %s %d"):format(asocket.address(host, port), host, port))
print(("backend %s, %s open files at most (%s if asked for); ctrl-c ends"):format(
  atools.info().backend, soft, hard))
