-- SPDX-License-Identifier: MIT
-- Sockets for specs: servers on ports of their own, clients of them, and the
-- rule that a test leaves nothing open.

local atools = require "atools"
local asocket = require "asocket"
local lfs = require "lfs"

local M = {}

local scale = tonumber(os.getenv("CHECK_TIMEOUT_SCALE") or 1)

--- Whether this is the poor system of faults.h, where each byte takes a call.
M.poor = os.getenv "ATOOLS_FAULTS" ~= nil

--- How long a test waits for what should come at once.
M.soon = (M.poor and 15 or 5) * scale

--- So many bytes, or a few of them on the poor system.
function M.amount(length)
  return M.poor and length // 100 or length
end

--- Bytes: more than the kernel takes from a connection that nobody reads.
M.plenty = M.poor and 16 << 10 or 7 << 20

--- Descriptors of this process that are open now.
---@return integer
function M.descriptors()
  local n = 0
  for name in lfs.dir("/proc/self/fd") do
    if tonumber(name) then
      n = n + 1
    end
  end
  return n
end

local function census()
  collectgarbage()
  collectgarbage()
  local stats = atools.stats()
  return {
    streams = stats.streams,
    listeners = stats.listeners,
    tasks = stats.tasks,
    descriptors = M.descriptors(),
  }
end

local function left_behind(before, now)
  local list = {}
  for name, count in pairs(before) do
    if now[name] > count then
      list[#list + 1] = ("%d %s"):format(now[name] - count, name)
    end
  end
  return list
end

--- Inside a describe block, with its two functions: each test must leave as
--- many connections, listeners, tasks and descriptors as it found, once
--- `clean` (what an after_each of the block would do) has run.
function M.leave_nothing(before_each, after_each, clean)
  local before
  before_each(function()
    atools.sleep(0)
    before = census()
  end)
  after_each(function()
    if clean then
      clean()
    end
    local deadline = atools.now() + M.soon
    local list
    repeat
      list = left_behind(before, census())
      if #list > 0 then
        atools.sleep(0.005)
      end
    until #list == 0 or atools.now() > deadline
    if #list > 0 then
      error("left behind: " .. table.concat(list, ", "), 0)
    end
  end)
end

--- The address of a listener, to connect to.
---@return string
function M.address(listener)
  local host, port = listener:local_address()
  return asocket.address(host, port)
end

--- A listener on a free port.
---@return asocket.listener
function M.listen(handlers)
  return assert(asocket.listen("127.0.0.1:0", handlers))
end

---@return asocket.listener
function M.serve(...)
  return assert(asocket.serve("127.0.0.1:0", ...))
end

--- A connection to a listener.
---@return asocket.connection
function M.connect(listener, options)
  return assert(asocket.connect(M.address(listener), options))
end

--- Both ends of a TCP connection, for tasks: client, server.
---@param listen_options table?
---@param connect_options table?
---@return asocket.connection client
---@return asocket.connection server
function M.tcp_pair(listen_options, connect_options)
  local listener <close> = M.listen(listen_options)
  local client = M.connect(listener, connect_options)
  return client, assert(listener:accept(M.soon))
end

---@class sockets.mailbox what happened, in order
local Mailbox = {}
Mailbox.__index = Mailbox

--- A place for events: post from handlers, expect in the test.
function M.mailbox()
  return setmetatable({ channel = atools.channel(10000) }, Mailbox)
end

--- Never waits: for handlers.
function Mailbox:post(...)
  assert(self.channel:send(table.pack(...), 0))
end

--- The next event's values; an error when none comes.
function Mailbox:take()
  local event = self.channel:receive(M.soon)
  if not event then
    error("nothing happened", 2)
  end
  return table.unpack(event, 1, event.n)
end

--- Whether nothing has happened that was not taken.
function Mailbox:empty()
  return self.channel:receive(0) == nil
end

--- Runs fn as a task with a limit of time; its results, or its error.
function M.within(seconds, fn, ...)
  local task = atools.spawn(fn, ...)
  local results = table.pack(task:join(seconds * scale))
  if not results[1] then
    task:cancel()
    error(results[2], 2)
  end
  return table.unpack(results, 2, results.n)
end

--- Lines written with atools.on_log while fn runs.
---@return string[]
function M.logged(fn)
  local lines = {}
  atools.on_log(function(_, text)
    lines[#lines + 1] = text
  end)
  local ok, err = pcall(fn)
  atools.on_log(nil)
  if not ok then
    error(err, 0)
  end
  return lines
end

--- Pseudo-random bytes, the same for the same seed.
---@return string
function M.noise(length, seed)
  local state = seed or 1
  local parts = {}
  for i = 1, (length + 7) // 8 do
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    parts[i] = string.pack("<I8", state)
  end
  return table.concat(parts):sub(1, length)
end

return M
