-- SPDX-License-Identifier: MIT
-- Module atools: the C half ("atools.core") with what is better said in Lua.

local core = require "atools.core"
local ending = require "atools.ending"
local group = require "atools.group"
local stop = require "atools.stop"

---@class atools
local M = {
  spawn = core.spawn,
  current = core.current,
  sleep = core.sleep,
  deadline = core.deadline,
  shield = core.shield,
  after = core.after,
  every = core.every,
  defer = core.defer,
  signal = core.signal,
  now = core.now,
  time = core.time,
  on_error = core.on_error,
  on_log = core.on_log,
  log = core.log,
  info = core.info,
  stats = core.stats,
  tasks = core.tasks,
  channel = core.channel,
  group = group.new,
  on_stop = stop.on_stop,
  stopping = stop.stopping,
}

--- assert that raises an error object {message, code, detail}.
---@param ... any value, message, code, detail: what a call returned
---@return any ... all arguments, as many as there were, when value is true
function M.check(...)
  local value, message, code, detail = ...
  if value then
    return ...
  end
  error(core.error(tostring(message or "check failed"), code, detail), 2)
end

--- Stops gracefully, as SIGTERM does: listeners close, on_stop handlers run,
--- what is idle ends, the rest has the drain time (30 s).
---@param code? integer exit code of atools-lua, default 0
function M.stop(code)
  stop.stop(code)
end

-- The results of a task that ended, or its error.
local function results_of(task, ok, message, ...)
  if ok then
    return message, ...
  end
  error(task:traceback() or message, 0)
end

-- Connections that fn let go of unclosed would keep the loop.
local function collected(...)
  collectgarbage()
  return ...
end

local function run_here(fn, ...)
  if fn ~= nil and type(fn) ~= "function" then
    error("bad argument #1 to 'run' (function expected)", 3)
  end
  local task = fn and core.spawn(function(...)
    return collected(fn(...))
  end, ...)
  repeat
    local stopped = core.drive()
  until stopped or not ending.goes_on()
  local status = task and task:status()
  local ended = status ~= "ready" and status ~= "waiting"
  if task and ended then
    task:_forget(true) -- told here
  end
  core.report()
  local stuck = not stop.stopping() and ending.stuck()
  if stuck then
    error(stuck, 0)
  end
  if task and ended then
    return results_of(task, task:join())
  end
end

--- Runs fn as a task and the loop until nothing is left: for the stock
--- interpreter and embedders. Inside a task it runs fn there and waits for
--- everything but the caller.
---@param fn? function
---@param ... any its arguments
---@return any ... fn's results
function M.run(fn, ...)
  if not core.in_task() then
    return run_here(fn, ...)
  end
  local task = fn and core.spawn(fn, ...)
  ending.wait_idle()
  if task then
    return results_of(task, task:join())
  end
end

_G.require = require "atools.require"

return M
