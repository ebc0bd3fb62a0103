-- SPDX-License-Identifier: MIT
-- What stopping means for sockets: listeners close at once, connections as
-- soon as they have nothing to do.

local core = require "asocket.core"
local stop = require "atools.stop"

local M = {}

--- Called when stopping begins and, with "end", when its time is over.
---@param phase "begin"|"end"
---@return boolean busy whether connections are left that still work
function M.hook(phase)
  local listeners, connections = core.objects()
  for _, listener in ipairs(listeners) do
    listener:close()
  end
  local busy = false
  for _, conn in ipairs(connections) do
    if phase == "end" then
      conn:close()
    elseif not core.close_if_idle(conn) then
      busy = true
    end
  end
  return busy
end

stop.hooks[#stop.hooks + 1] = M.hook

return M
