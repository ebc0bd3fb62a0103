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
  return setmetatable({ _tasks = {}, _count = 0, _closed = false }, Group)
end

local function cancel_rest(group, reason)
  for _, task in pairs(group._tasks) do
    if task then
      task:cancel(reason)
    end
  end
end

-- A task that was cancelled on its own did not fail.
local function is_failure(task, err)
  return not (task:_cancelled() and type(err) == "table" and err.code == "ECANCELED")
end

local function ended(group, place, ok, err)
  local task = group._tasks[place]
  group._tasks[place] = nil
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
  local place = self._count + 1
  self._count = place
  self._tasks[place] = false -- may fail, as starting the task may: in this order
  local task = core.spawn(function(...)
    local ok = false
    -- closed while an error unwinds: its traceback is the task's own
    local _ <close> = setmetatable({}, { __close = function(_, err)
      ended(self, place, ok, err)
    end })
    local results = table.pack(fn(...))
    ok = true
    return table.unpack(results, 1, results.n)
  end, ...)
  task:_forget(true) -- told by join, not by the log
  self._tasks[place] = task
  if self._failed then
    task:cancel("another task of the group failed")
  end
  return task
end

-- Also for those that are started meanwhile.
local function wait_all(group)
  local place = 1
  while place <= group._count do
    local task = group._tasks[place]
    if task then
      task:join()
    end
    group._tasks[place] = nil
    place = place + 1
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
