-- Ten thousand clients, or more: atools-lua scripts/examples/c10k_server.lua [address [count]]
-- then: atools-lua scripts/examples/c10k_client.lua
local atools = require "atools"
local asocket = require "asocket"

local address, count = arg[1] or "0.0.0.0:7010", tonumber(arg[2] or 10000)
local got = asocket.setMaxFiles(count + 100)
local open, most, messages = 0, 0, 0

local listener = assert(asocket.listen(address, {
  frame = "line",
  on_open = function()
    open = open + 1
    most = math.max(most, open)
  end,
  on_data = function(conn, line)
    messages = messages + 1
    conn:write(line, "\n")
  end,
  on_close = function()
    open = open - 1
  end,
}))
print(("serving on %s by %s, %d open files"):format(
  asocket.address(listener:local_address()), atools.info().backend, got))

local shown
atools.every(1, function()
  local line = ("%d open, %d at most, %d messages, %.1f MiB"):format(
    open, most, messages, (collectgarbage("count") * 1024 + atools.stats().memory) / 2 ^ 20)
  if line:match("^.*messages") ~= shown then
    shown = line:match("^.*messages")
    print(line)
  end
end)
