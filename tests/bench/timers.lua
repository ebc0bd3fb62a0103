-- SPDX-License-Identifier: MIT
-- What a timer costs from Lua: atools-lua tests/bench/timers.lua [count]
-- One line for each count: "timers COUNT insert NS fire NS cancel NS bytes N".
-- CPU time per timer; the loop is kept from turning until all are due, so that
-- waiting is not counted and small counts compare with large ones.
local atools = require "atools"

local ROUNDS_FOR = 100000 -- small counts are repeated

local function block(seconds)
  os.execute("sleep " .. seconds)
end

-- CPU seconds of inserting and of firing `count` timers, and bytes of each.
local function fire(count)
  local fired = 0
  local function tick()
    fired = fired + 1
  end
  collectgarbage()
  local bytes = collectgarbage("count")
  local start = os.clock()
  for _ = 1, count do
    atools.after(math.random() * 0.05, tick)
  end
  local inserted = os.clock()
  bytes = (collectgarbage("count") - bytes) * 1024 / count
  block(0.06)
  local blocked = os.clock()
  while fired < count do
    atools.sleep(0.001)
  end
  return inserted - start, os.clock() - blocked, bytes
end

local function cancel(count)
  local timers = {}
  for i = 1, count do
    timers[i] = atools.after(1000 + math.random(), print)
  end
  for i = count, 2, -1 do
    local j = math.random(i)
    timers[i], timers[j] = timers[j], timers[i]
  end
  local start = os.clock()
  for i = 1, count do
    timers[i]:close()
  end
  return os.clock() - start
end

local function measure(count)
  local rounds = math.max(1, ROUNDS_FOR // count // 5)
  local insert, fired, cancelled, bytes = 0, 0, 0, 0
  for _ = 1, rounds do
    local a, b, c = fire(count)
    insert, fired, bytes = insert + a, fired + b, c
    cancelled = cancelled + cancel(count)
  end
  local ns = 1e9 / (rounds * count)
  print(("timers %d insert %.0f fire %.0f cancel %.0f bytes %.0f"):format(count, insert * ns,
    fired * ns, cancelled * ns, bytes))
end

if arg[1] then
  measure(math.tointeger(arg[1]))
else
  for _, count in ipairs { 1000, 10000, 100000, 1000000 } do
    measure(count)
  end
end
