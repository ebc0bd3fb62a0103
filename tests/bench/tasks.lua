-- SPDX-License-Identifier: MIT
-- What tasks and channels cost: atools-lua tests/bench/tasks.lua
-- One line each: "NAME NS", CPU time per operation.
local atools = require "atools"

local COUNT = 200000

local function measure(name, fn)
  collectgarbage()
  local start = os.clock()
  fn()
  print(("%s %.0f"):format(name, (os.clock() - start) * 1e9 / COUNT))
end

local function nothing() end

-- Lua's own: what a task cannot be cheaper than.
measure("coroutine", function()
  local create, resume = coroutine.create, coroutine.resume
  for _ = 1, COUNT do
    resume(create(nothing))
  end
end)

measure("spawn", function()
  for i = 1, COUNT do
    atools.spawn(nothing)
    if i % 100 == 0 then
      atools.sleep(0)
    end
  end
end)

measure("spawn_join", function()
  for _ = 1, COUNT do
    atools.spawn(nothing):join()
  end
end)

measure("defer", function()
  for i = 1, COUNT do
    atools.defer(nothing)
    if i % 100 == 0 then
      atools.sleep(0)
    end
  end
end)

measure("turn", function()
  for _ = 1, COUNT do
    atools.sleep(0)
  end
end)

local function through(capacity)
  return function()
    local ch = atools.channel(capacity)
    atools.spawn(function()
      for i = 1, COUNT do
        ch:send(i)
      end
      ch:close()
    end)
    local sum = 0
    for v in ch:values() do
      sum = sum + v
    end
    assert(sum == COUNT * (COUNT + 1) // 2)
  end
end
measure("channel", through(0))
measure("channel_100", through(100))
