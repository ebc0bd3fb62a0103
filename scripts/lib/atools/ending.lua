-- SPDX-License-Identifier: MIT
-- When nothing keeps the loop alive any more: who waited for that, and which
-- tasks can never go on.

local core = require "atools.core"

local M = {}

local idle = {} -- waiters of tasks in atools.run

--- Waits until nothing but the caller is left.
function M.wait_idle()
  local waiter = core.waiter()
  idle[#idle + 1] = waiter
  waiter:wait(nil, "run")
end

--- When nothing keeps the loop alive: lets those go on that waited for that;
--- or, where tasks wait and a signal is handled, lets them wait for it.
---@return boolean any whether the loop has something to do again
function M.goes_on()
  local any = false
  local list = idle
  idle = {}
  for _, waiter in ipairs(list) do
    any = waiter:waiting() or any
    waiter:wake(true)
  end
  return any or core.hold()
end

--- What to say when tasks are left that nothing can wake; nil when none are.
---@return string?
function M.stuck()
  local tasks = core.tasks()
  if #tasks == 0 then
    return nil
  end
  local lines = {
    (#tasks == 1 and "1 task waits" or #tasks .. " tasks wait") .. " for what can never come:",
  }
  for _, entry in ipairs(tasks) do
    local where = entry.traceback:gsub("^stack traceback:\n", ""):gsub("\n%s*%[C%]: in %?%s*$", "")
    lines[#lines + 1] = ("%s, in %s:\n%s"):format(entry.kind, entry.waits or entry.status, where)
  end
  return table.concat(lines, "\n")
end

return M
