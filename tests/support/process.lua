-- SPDX-License-Identifier: MIT
-- Child processes for specs: started in the background, their output in files,
-- looked at without blocking the loop.
--
--   local child = process.start("exec build/atools-lua x.lua", { input = "..." })
--   child:expect("listening")       waits until stdout or stderr has it
--   local code = child:wait()       the exit status as the shell tells it

local atools = require "atools"

local M = {}

---@class process.child
local Child = {}
Child.__index = Child

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function scaled(seconds)
  return seconds * tonumber(os.getenv("CHECK_TIMEOUT_SCALE") or 1)
end

-- Asks every few milliseconds: a file has no readiness to wait for.
local function poll(seconds, ask)
  local give_up = atools.now() + scaled(seconds)
  while true do
    local answer = ask()
    if answer or atools.now() > give_up then
      return answer
    end
    atools.sleep(0.01)
  end
end

--- Quotes a word for the shell.
---@param word string
---@return string
function M.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- Starts a command of the shell; "exec ..." lets signals reach the program.
---@param command string
---@param options { input: string? }? what stands on standard input
---@return process.child
function M.start(command, options)
  local base = os.tmpname()
  write_file(base .. ".in", options and options.input or "")
  -- a shell's background job would have SIGINT ignored
  local inner = ("echo $$ >%s.pid; %s"):format(base, command)
  local outer = ("(env --default-signal=INT sh -c %s <%s.in >%s.out 2>%s.err; "
    .. "echo $? >%s.code) </dev/null >/dev/null 2>&1 &"):format(
    M.quote(inner), base, base, base, base)
  assert(os.execute(outer))
  local child = setmetatable({ base = base }, Child)
  child.pid = assert(poll(10, function()
    return tonumber(read_file(base .. ".pid"))
  end), "the child did not start")
  return child
end

--- Runs a command to its end.
---@return integer code
---@return string out
---@return string err
function M.run(command, options)
  local child = M.start(command, options)
  local code = child:wait()
  return code, child.output, child.errors
end

--- What it has written so far.
---@return string
function Child:out()
  return self.output or read_file(self.base .. ".out") or ""
end

---@return string
function Child:err()
  return self.errors or read_file(self.base .. ".err") or ""
end

--- Waits until its output has a match; returns the captures.
---@param pattern string
function Child:expect(pattern)
  local found = poll(20, function()
    local captures = { self:out():match(pattern) }
    if #captures == 0 then
      captures = { self:err():match(pattern) }
    end
    return #captures > 0 and captures or nil
  end)
  if not found then
    error(("no %q in\n%s%s"):format(pattern, self:out(), self:err()), 2)
  end
  return table.unpack(found)
end

---@param signal string such as "TERM"
function Child:kill(signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal, self.pid))
end

--- Whether it has ended.
function Child:ended()
  return self.code ~= nil or tonumber(read_file(self.base .. ".code")) ~= nil
end

--- Waits for its end, killing it when that takes too long.
---@param seconds number? default 20
---@return integer code as the shell tells it: 128 + signal
function Child:wait(seconds)
  if self.code then
    return self.code
  end
  local function code()
    return tonumber(read_file(self.base .. ".code"))
  end
  local ended = poll(seconds or 20, code)
  if not ended then
    self:kill("KILL")
    ended = poll(5, code) or -1
  end
  self.output, self.errors = self:out(), self:err()
  self.code = ended
  for _, suffix in ipairs { "", ".in", ".out", ".err", ".pid", ".code" } do
    os.remove(self.base .. suffix)
  end
  return ended
end

return M
