-- SPDX-License-Identifier: MIT
-- Groups: tasks that end together. The first failure cancels the others;
-- leaving the block that holds the group cancels what is left and waits for it.

local core = require "atools.core"

---@class atools.group
local Group = {}
Group.__index = Group
Group.__name = "atools.group"

--- A group, to be held by a `<close>` variable.
---@return atools.group
function Group.new()
  return setmetatable({ _tasks = {}, _closed = false }, Group)
end

local function cancel_rest(group, reason)
  for task in pairs(group._tasks) do
    task:cancel(reason)
  end
end

-- A task that was cancelled on its own did not fail.
local function is_failure(task, err)
  return not (task:_cancelled() and type(err) == "table" and err.code == "ECANCELED")
end

local function ended(group, task, ok, err)
  group._tasks[task] = nil
  if not ok and not group._failed and is_failure(task, err) then
    group._failed = task
    cancel_rest(group, "another task of the group failed")
  end
end

--- Starts a task of the group.
---@param fn function
---@param ... any its arguments
---@return atools.task
function Group:spawn(fn, ...)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'spawn' (function expected, got " .. type(fn) .. ")", 2)
  end
  if self._closed then
    error("the group is closed", 2)
  end
  local task
  task = core.spawn(function(...)
    local ok = false
    -- closed while an error unwinds: its traceback is the task's own
    local _ <close> = setmetatable({}, { __close = function(_, err)
      ended(self, task, ok, err)
    end })
    local results = table.pack(fn(...))
    ok = true
    return table.unpack(results, 1, results.n)
  end, ...)
  task:_forget(true) -- told by join, not by the log
  self._tasks[task] = true
  if self._failed then
    task:cancel("another task of the group failed")
  end
  return task
end

local function wait_all(group)
  local task = next(group._tasks)
  while task do
    task:join()
    group._tasks[task] = nil
    task = next(group._tasks)
  end
end

--- Waits for all tasks.
---@return true|nil ok
---@return string? message of the first failure
---@return string? code its code, "ESCRIPT" for an error without one
---@return any err what was raised
function Group:join()
  wait_all(self)
  local failed = self._failed
  if not failed then
    return true
  end
  self._failed = nil
  return failed:join()
end

--- Cancels what is left and waits for it. A failure that nobody joined is
--- reported, as that of any task.
function Group:close()
  self._closed = true
  cancel_rest(self, "the group was left")
  -- a cancelled caller still has to wait for what it started
  core.shield(false, wait_all, self)
  if self._failed then
    self._failed:_forget(false)
    self._failed = nil
  end
end
Group.__close = Group.close

return Group
