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
  return setmetatable({ tasks = {}, live = 0 }, Group)
end

local function cancel_rest(group, reason)
  for task in pairs(group.tasks) do
    task:cancel(reason)
  end
end

local function ended(group, task, failure)
  group.tasks[task] = nil
  group.live = group.live - 1
  if failure and not group.failure then
    group.failure = failure
    cancel_rest(group, "another task of the group failed")
  end
  if group.live == 0 and group.waiter then
    group.waiter:wake(true)
  end
end

--- Starts a task of the group.
---@param fn function
---@param ... any its arguments
---@return atools.task
function Group:spawn(fn, ...)
  if self.closed then
    error("the group is closed", 2)
  end
  local task
  task = core.spawn(function(...)
    local results = table.pack(xpcall(fn, function(err)
      return { err, debug.traceback(nil, 2) }
    end, ...))
    ended(self, task, not results[1] and results[2])
    if not results[1] then
      error(results[2][1], 0)
    end
    return table.unpack(results, 2, results.n)
  end, ...)
  task:_forget() -- told by join, not by the log
  self.tasks[task] = true
  self.live = self.live + 1
  if self.failure then
    task:cancel("another task of the group failed")
  end
  return task
end

local function wait_all(group)
  while group.live > 0 do
    group.waiter = core.waiter()
    group.waiter:wait(nil, "join")
  end
end

--- Waits for all tasks.
---@return true|nil ok
---@return string? message of the first failure
---@return string? code its code, "ESCRIPT" for an error without one
function Group:join()
  wait_all(self)
  local failure = self.failure
  if not failure then
    return true
  end
  self.failure = nil
  local err = failure[1]
  local code = type(err) == "table" and err.code or "ESCRIPT"
  return nil, tostring(err), code
end

--- Cancels what is left and waits for it.
function Group:close()
  self.closed = true
  cancel_rest(self, "the group was left")
  while self.live > 0 do
    -- a cancelled caller still has to wait for what it started
    core.shield(false, wait_all, self)
  end
end
Group.__close = Group.close

return Group
