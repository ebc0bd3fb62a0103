-- SPDX-License-Identifier: MIT
-- The prompt: reads Lua from standard input while the loop goes on. Each line
-- runs in a task of its own, so that it may wait and be interrupted.

local atools = require "atools"

local M = {}

-- nil: more lines are needed.
local function compile(source)
  local chunk = load("return " .. source, "=stdin")
  if chunk then
    return chunk
  end
  local message
  chunk, message = load(source, "=stdin")
  if not chunk and message:find("<eof>$") then
    return nil
  end
  return chunk, message
end

local function show(...)
  if select("#", ...) == 0 then
    return
  end
  local ok, message = pcall(print, ...)
  if not ok then
    io.stderr:write("error calling 'print' (", tostring(message), ")\n")
  end
end

local function complain(message)
  io.stdout:flush()
  io.stderr:write(message, "\n")
end

-- Below the line are the prompt's own frames only.
local function traceback(err)
  local text = debug.traceback(type(err) == "string" and err or tostring(err), 2)
  return (text:gsub("\n%s+%[C%]: in function 'xpcall'\n%s+atools/prompt%.lua:.*$", ""))
end

local line -- the task of the line being run
local input -- what is read; nil when there is no prompt

local function execute(chunk)
  local function finish(ok, ...)
    if ok then
      show(...)
    else
      complain((...))
    end
  end
  line = atools.spawn(function()
    finish(xpcall(chunk, traceback))
  end)
  local ok, message = line:join()
  line = nil
  if not ok then
    complain(message)
  end
end

--- Reads a whole statement or expression, asking for more lines as needed.
---@param read fun(prompt: string): string?
---@return function? chunk
---@return string? message what is wrong with it; nil with no chunk: the input ended
local function next_chunk(read)
  local source = read(tostring(_G._PROMPT or "> "))
  if not source then
    return nil
  end
  source = source:gsub("^=", "return ", 1) -- as lua 5.1 to 5.3 had it
  local chunk, message = compile(source)
  while not chunk and not message do
    local more = read(tostring(_G._PROMPT2 or ">> "))
    if not more then
      return load(source, "=stdin")
    end
    source = source .. "\n" .. more
    chunk, message = compile(source)
  end
  return chunk, message
end

--- What SIGINT means at the prompt: the line that runs ends, the prompt goes
--- on. Between lines it is for the whole process, as any other signal is.
---@param signal string
---@return boolean done
function M.interrupt(signal)
  if signal == "SIGINT" and line then
    line:cancel("interrupted")
    return true
  end
  if input then
    input:close()
  end
  return false
end

--- Runs until standard input ends.
function M.run()
  input = assert(require("asocket").stdin())
  local function read(prompt)
    io.stdout:write(prompt)
    io.stdout:flush()
    return (input:read("l"))
  end
  while true do
    local chunk, message = next_chunk(read)
    if chunk then
      execute(chunk)
    elseif message then
      complain(message)
    else
      break
    end
  end
  io.stdout:write("\n")
  io.stdout:flush()
  input:close()
  input = nil
end

return M
