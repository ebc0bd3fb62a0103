-- SPDX-License-Identifier: MIT
-- Module asocket: the C half ("asocket.core") with what is better said in Lua.

local atools = require "atools"
local core = require "asocket.core"
local stop = require "atools.stop"
local error_object = require("atools.core").error

---@class asocket
local M = {
  listen = core.listen,
  serve = core.serve,
  connect = core.connect,
  pair = core.pair,
  adopt = core.adopt,
  resolve = core.resolve,
  address = core.address,
  parse_address = core.parse_address,
  local_addresses = core.local_addresses,
  setMaxFiles = core.setMaxFiles,
  getMaxFiles = core.getMaxFiles,
}

local connection = core.methods()

--- Iterates over what read(fmt) returns, until the peer ends. A clean end ends
--- the loop; anything else raises the error object.
---@param fmt? "l"|"L"|integer default "l"
---@return fun(): string?
function connection:lines(fmt)
  return function()
    local data, message, code, rest = self:read(fmt)
    if data == nil and not (code == "EOF" and rest == "") then
      error(error_object(message, code), 2)
    end
    return data
  end
end

--- Copies both ways until both sides have ended; waits. Half-closes are
--- carried over.
---@param a asocket.connection
---@param b asocket.connection
---@return integer|nil from_a bytes copied from a to b
---@return integer|string from_b bytes copied from b to a, or the message
---@return string? code
function M.relay(a, b)
  local back = atools.spawn(function()
    return { b:pipe(a) }
  end)
  local count, message, code = a:pipe(b)
  if not count then
    b:close()
  end
  local _, other = back:join()
  if type(other) == "table" and not other[1] and count then
    a:close()
    return table.unpack(other, 1, 3)
  end
  if not count then
    a:close()
    return nil, message, code
  end
  return count, other[1]
end

local stdin

--- Standard input as a connection; the same one each time.
---@return asocket.connection|nil
---@return string? message
---@return string? code
function M.stdin()
  if not stdin then
    local conn, message, code = core.stdin()
    if not conn then
      return nil, message, code
    end
    stdin = conn
  end
  return stdin
end

-- Listeners at once; connections as soon as they have nothing to do.
stop.hooks[#stop.hooks + 1] = function(phase)
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

return M
