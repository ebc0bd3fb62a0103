-- SPDX-License-Identifier: MIT
-- The servers measured: atools-lua [--backend NAME] tests/bench/echo.lua STYLE
-- prints "ready PORT" once it listens.
local asocket = require "asocket"

local _, hard = asocket.getMaxFiles()
asocket.setMaxFiles(hard)

local function write(conn, bytes)
  conn:write(bytes)
end

local function write_line(conn, line)
  conn:write(line, "\n")
end

local function echo(conn)
  while true do
    local bytes = conn:read_some()
    if not bytes then
      return
    end
    conn:write(bytes)
  end
end

local function echo_lines(conn)
  for line in conn:lines() do
    conn:write(line, "\n")
  end
end

local styles = {
  handlers = { on_data = write },
  buffers = { on_data = write, buffers = true },
  lines = { on_data = write_line, frame = "line" },
  line_buffers = { on_data = write_line, frame = "line", buffers = true },
  tasks = echo,
  line_tasks = echo_lines,
}

local style = styles[arg[1]] or error("no such style: " .. tostring(arg[1]))
local listen = type(style) == "table" and asocket.listen or asocket.serve
local listener = assert(listen("127.0.0.1:0", style))
local _, port = listener:local_address()
print("ready " .. port)
io.stdout:flush()
