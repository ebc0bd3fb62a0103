-- SPDX-License-Identifier: MIT
-- The processes of a run: servers on one CPU, load generators on another. All
-- end with this program, whatever happens to it.

local M = {}

local running = {}

-- `build` is the build directory.
function M.init(build)
  M.build = build
end

local function spawn(core, command, more)
  local line = ("exec %s/bench/pin %d %s%s"):format(M.build, core, command, more or "")
  return assert(io.popen(line, "r"))
end

local function expect(file, pattern, command)
  local line = file:read()
  local value = line and line:match(pattern)
  if not value then
    error(("%s: said %q"):format(command, tostring(line)), 0)
  end
  return tonumber(value)
end

local Process = {}
Process.__index = Process

-- Ends it and waits for its end.
function Process:close()
  if running[self] then
    running[self] = nil
    if self.commands then
      self.commands:close()
    else
      os.execute("kill " .. self.pid)
    end
    self.output:close()
  end
end
Process.__close = Process.close

-- Starts a server that tells its port.
function M.server(command)
  local self = setmetatable({ command = command }, Process)
  self.output = spawn(0, command)
  self.pid = expect(self.output, "^pid (%d+)$", command)
  running[self] = true
  self.address = "127.0.0.1:" .. expect(self.output, "^ready (%d+)$", command)
  return self
end

-- Anonymous memory of a server, in bytes.
function Process:memory()
  for line in io.lines(("/proc/%d/status"):format(self.pid)) do
    local kib = line:match("^RssAnon:%s*(%d+)")
    if kib then
      return tonumber(kib) * 1024
    end
  end
  error("no memory is told for " .. self.command)
end

-- Starts a load generator that takes commands.
function M.load()
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local self = setmetatable({ command = "load" }, Process)
  self.output = spawn(1, M.build .. "/bench/load --commands", " <" .. fifo)
  self.commands = assert(io.open(fifo, "w"))
  os.remove(fifo)
  running[self] = true
  self.pid = expect(self.output, "^pid (%d+)$", "load")
  return self
end

M.wrong, M.errors = 0, 0

-- One command to a load generator; its answer as a table of numbers.
function Process:ask(...)
  local command = table.concat({ ... }, " ")
  self.commands:write(command, "\n")
  self.commands:flush()
  local line = self.output:read() or "ended"
  local answer = {}
  for name, value in line:gmatch("([%w_]+)=(%S+)") do
    answer[name] = tonumber(value) or value
  end
  if not answer.messages then
    error(("load: %q was answered %q"):format(command, line), 0)
  end
  M.wrong = M.wrong + answer.wrong
  M.errors = M.errors + answer.errors
  if answer.wrong + answer.errors > 0 then
    io.stderr:write(("\n%s: %s\n"):format(command, line))
  end
  return answer
end

-- The same for a program that runs to its end: its lines.
function M.lines(command)
  local output <close> = spawn(0, command)
  local lines = {}
  for line in output:lines() do
    lines[#lines + 1] = line
  end
  return table.move(lines, 2, #lines, 1, {}) -- without the pid
end

function M.close_all()
  for process in pairs(running) do
    process:close()
  end
end

return M
