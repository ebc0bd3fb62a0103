-- SPDX-License-Identifier: MIT
-- Module asocket: the C half ("asocket.core") with what is better said in Lua.

local atools = require "atools"
local core = require "asocket.core"
local more = require "asocket.methods"
require "asocket.ending"

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

local methods = core.methods()
for name, method in pairs(more) do
  methods[name] = method
end

--- Copies both ways until both sides have ended or failed; waits. The end of
--- one side's input is told to the other by `shutdown`. Both stay open.
---@param a asocket.connection
---@param b asocket.connection
---@return integer|nil from_a bytes copied from a to b
---@return integer|string from_b bytes copied from b to a, or the message
---@return string? code
---@return integer? from_a on failure
---@return integer? from_b on failure
function M.relay(a, b)
  local group <close> = atools.group()
  local back
  group:spawn(function()
    back = table.pack(b:pipe(a))
  end)
  local there = table.pack(a:pipe(b))
  local ok, message, code = group:join()
  if not ok then
    return nil, message, code, there[1] or there[4], 0
  end
  local failed = not there[1] and there or not back[1] and back
  if failed then
    return nil, failed[2], failed[3], there[1] or there[4], back[1] or back[4]
  end
  return there[1], back[1]
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

return M
