-- SPDX-License-Identifier: MIT
-- Stopping: listeners close, on_stop runs, what is idle ends at once, the rest
-- has the drain time. Modules with something to end add a function to `hooks`.

local core = require "atools.core"

---@private
---@class atools.stop
---@field drain number seconds for what is at work when stopping begins
---@field grace number seconds for what has been cancelled
---@field farewell number seconds for peers to end idle connections after we did
---@field code integer exit code
---@field hooks function[] called with "begin", then "idle" again and again, then "end"
local M = {
  drain = 30,
  grace = 1,
  farewell = 0.25,
  code = 0,
  hooks = {},
}

local handlers = {}
local stopping = false
local begun -- when

--- Whether the engine is being stopped.
---@return boolean
function M.stopping()
  return stopping
end

--- Adds a function that runs, as a task, when the engine is stopped.
---@param fn function
function M.on_stop(fn)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'on_stop' (function expected)", 2)
  end
  handlers[#handlers + 1] = fn
end

local function cancel_all()
  local me = core.current()
  for _, entry in ipairs(core.tasks()) do
    if entry.task ~= me then
      entry.task:cancel("stopped")
    end
  end
end

local function call_hooks(phase)
  for _, hook in ipairs(M.hooks) do
    hook(phase)
  end
end

-- What has become idle ends now. Neither pending timers nor idle connections
-- hold up the end; peers have a moment to end theirs too. The one task is the
-- one that looks.
local function look()
  call_hooks "idle"
  local left = core.stats()
  if left.tasks <= 1 and (left.streams == 0
    or core.now() > begun + M.farewell and core.streams_at_work() == 0) then
    core.break_loop()
  end
end

--- Ends everything that is left, now.
function M.finish()
  call_hooks "end"
  cancel_all()
  -- for tasks that catch being cancelled and go on
  core.after(M.grace, core.break_loop):unref()
end

--- Stops gracefully, as SIGTERM does; the process ends when nothing is left.
---@param code? integer exit code of atools-lua, default 0
function M.stop(code)
  M.code = code or M.code
  if stopping then
    return
  end
  stopping = true
  begun = core.now()
  for _, fn in ipairs(handlers) do
    core.spawn(fn)
  end
  call_hooks "begin"
  core.every(0.02, look):unref()
  core.after(M.drain, M.finish):unref()
end

return M
