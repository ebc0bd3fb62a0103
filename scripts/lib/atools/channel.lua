-- SPDX-License-Identifier: MIT
-- Channels: values handed from task to task, first in, first out. A waiting
-- side that gave up (timeout, cancel) is recognised by its waiter and passed
-- over, so nothing is handed to nobody.

local core = require "atools.core"

---@class atools.channel
local Channel = {}
Channel.__index = Channel
Channel.__name = "atools.channel"

local function queue()
  return { first = 1, last = 0 }
end

local function push(q, item)
  q.last = q.last + 1
  q[q.last] = item
end

local function pop(q)
  local item = q[q.first]
  if item then
    q[q.first] = nil
    q.first = q.first + 1
  end
  return item
end

-- The first of the queue that still waits.
local function pop_waiting(q)
  local item = pop(q)
  while item and not item.waiter:waiting() do
    item = pop(q)
  end
  return item
end

--- A channel. With capacity 0 send and receive meet; otherwise up to that many
--- values lie in between.
---@param capacity? integer default 0
---@return atools.channel
function Channel.new(capacity)
  capacity = capacity or 0
  if math.type(capacity) ~= "integer" or capacity < 0 then
    error("capacity must be an integer of at least 0", 3)
  end
  return setmetatable({
    capacity = capacity,
    buffer = queue(),
    senders = queue(),
    receivers = queue(),
    closed = false,
  }, Channel)
end

--- Hands over a value; waits until it is received or there is room for it.
---@param value any not nil
---@param timeout? number seconds
---@return true|nil ok
---@return string? message
---@return string? code "ETIMEDOUT", "ECLOSED"
function Channel:send(value, timeout)
  if value == nil then
    error("nil cannot be sent", 2)
  end
  if self.closed then
    return nil, "closed", "ECLOSED"
  end
  local receiver = pop_waiting(self.receivers)
  if receiver then
    receiver.waiter:wake(value)
    return true
  end
  local values = self.buffer
  if values.last - values.first + 1 < self.capacity then
    push(values, value)
    return true
  end
  local waiter = core.waiter()
  push(self.senders, { waiter = waiter, value = value })
  return waiter:wait(timeout, "send")
end

--- The next value; waits for one.
---@param timeout? number seconds
---@return any value nil when it failed
---@return string? message
---@return string? code "ETIMEDOUT", "ECLOSED": closed and empty
function Channel:receive(timeout)
  local value = pop(self.buffer)
  local sender = pop_waiting(self.senders)
  if sender then
    sender.waiter:wake(true)
    if value == nil then
      return sender.value
    end
    push(self.buffer, sender.value)
  end
  if value ~= nil then
    return value
  end
  if self.closed then
    return nil, "closed", "ECLOSED"
  end
  local waiter = core.waiter()
  push(self.receivers, { waiter = waiter })
  return waiter:wait(timeout, "receive")
end

--- Ends the channel: senders fail, receivers get what lies in it, then fail.
function Channel:close()
  self.closed = true
  for _, q in ipairs { self.senders, self.receivers } do
    for item in pop_waiting, q do
      item.waiter:wake(nil, "closed", "ECLOSED")
    end
  end
end
Channel.__close = Channel.close

--- Iterates over the values until the channel is closed and empty.
---@return fun(): any
function Channel:values()
  return function()
    local value, message, code = self:receive()
    if value == nil and code ~= "ECLOSED" then
      error(core.error(message, code), 2)
    end
    return value
  end
end

return Channel
