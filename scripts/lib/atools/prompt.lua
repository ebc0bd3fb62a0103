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

-- The prompt's own frames are of no interest.
local function traceback(err)
  local text = require("atools.runner").traceback(err)
  return (text:gsub("\n%s+%[C%]: in function 'xpcall'\n%s+atools/prompt%.lua:.*$", ""))
end

local function execute(chunk)
  local function finish(ok, ...)
    if ok then
      show(...)
    else
      complain((...))
    end
  end
  local task = atools.spawn(function()
    finish(xpcall(chunk, traceback))
  end)
  local ok, message = task:join()
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

--- Runs until standard input ends.
function M.run()
  local input = require("asocket").stdin()
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
end

return M
