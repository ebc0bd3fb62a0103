-- SPDX-License-Identifier: MIT
-- Timers, deferred calls, the clocks.

local atools = require "atools"

describe("after", function()
  it("calls once, with its arguments, not before its time", function()
    local calls = {}
    local start = atools.now()
    atools.after(0.01, function(...)
      calls[#calls + 1] = { n = select("#", ...), at = atools.now(), ... }
    end, 1, nil, "x")
    atools.sleep(0.05)
    assert.equal(1, #calls)
    assert.equal(3, calls[1].n)
    assert.equal("x", calls[1][3])
    assert.is_true(calls[1].at - start >= 0.01)
  end)

  it("fires in the order of times", function()
    local order = {}
    local function note(what)
      order[#order + 1] = what
    end
    atools.after(0.02, note, 3)
    atools.after(0.005, note, 1)
    atools.after(0.01, note, 2)
    atools.sleep(0.05)
    assert.same({ 1, 2, 3 }, order)
  end)

  it("is closed, before and after, and by its block", function()
    local fired = false
    local function fire()
      fired = true
    end
    local timer = atools.after(0.01, fire)
    timer:close()
    timer:close()
    do
      local scoped <close> = atools.after(0.01, fire)
      assert.equal("atools.timer (pending)", tostring(scoped))
    end
    atools.sleep(0.03)
    assert.is_false(fired)
    assert.equal("atools.timer (stopped)", tostring(timer))
  end)

  it("fires although nobody keeps it", function()
    local fired = false
    atools.after(0.005, function()
      fired = true
    end)
    collectgarbage()
    collectgarbage()
    atools.sleep(0.02)
    assert.is_true(fired)
  end)

  it("starts again, after it fired or before", function()
    local count = 0
    local timer = atools.after(0.005, function()
      count = count + 1
    end)
    atools.sleep(0.02)
    assert.is_true(timer:again(0.005))
    timer:again(0.01)
    atools.sleep(0.03)
    assert.equal(2, count)
    timer:again()
    atools.sleep(0.01)
    assert.equal(3, count)
  end)

  it("may start itself again without starving the loop", function()
    local count = 0
    local timer
    timer = atools.after(0, function()
      count = count + 1
      timer:again(0)
    end)
    for _ = 1, 10 do
      atools.sleep(0)
    end
    timer:close()
    local seen = count
    atools.sleep(0)
    assert.is_true(seen > 3)
    assert.equal(seen, count)
  end)

  it("takes fields", function()
    local timer <close> = atools.after(10, print)
    timer.name = "mine"
    assert.equal("mine", timer.name)
  end)

  it("may close itself, and others due at the same time", function()
    local fired = {}
    local a, b
    a = atools.after(0.005, function()
      fired[#fired + 1] = "a"
      a:close()
      b:close()
    end)
    b = atools.after(0.005, function()
      fired[#fired + 1] = "b"
    end)
    atools.sleep(0.02)
    assert.same({ "a" }, fired)
  end)
end)

describe("every", function()
  it("fires on the grid, whatever its handler does", function()
    local times = {}
    local start = atools.now()
    local timer <close> = atools.every(0.02, function()
      times[#times + 1] = atools.now() - start
      atools.sleep(0.005)
    end)
    while #times < 4 do
      atools.sleep(0.005)
    end
    for i, t in ipairs(times) do
      assert.is_true(t >= 0.02 * i - 1e-4, i .. " at " .. t)
    end
    assert.is_truthy(timer)
  end)

  it("skips and counts ticks while the handler waits", function()
    local calls, running, overlaps = 0, 0, 0
    local timer <close> = atools.every(0.005, function()
      calls = calls + 1
      running = running + 1
      overlaps = overlaps + (running > 1 and 1 or 0)
      atools.sleep(0.03)
      running = running - 1
    end)
    atools.sleep(0.1)
    timer:close()
    assert.equal(0, overlaps)
    assert.is_true(timer:missed() >= calls)
    atools.sleep(0.05)
  end)

  it("skips and counts ticks while the loop is held up", function()
    local calls = 0
    local timer <close> = atools.every(0.01, function()
      calls = calls + 1
    end)
    local till = os.clock() + 0.055
    while os.clock() < till do end
    atools.sleep(0)
    atools.sleep(0)
    assert.equal(1, calls)
    assert.is_true(timer:missed() >= 3, timer:missed())
  end)

  it("goes on after its handler failed, which is reported", function()
    local heard, calls = {}, 0
    atools.on_error(function(_, err)
      heard[#heard + 1] = err
    end)
    finally(function()
      atools.on_error(nil)
    end)
    local timer <close> = atools.every(0.005, function()
      calls = calls + 1
      error("tick " .. calls, 0)
    end)
    while calls < 3 do
      atools.sleep(0.005)
    end
    timer:close()
    assert.same({ "tick 1", "tick 2", "tick 3" }, { heard[1], heard[2], heard[3] })
  end)

  it("needs an interval and a function", function()
    for _, bad in ipairs { 0, -1, false, 0 / 0 } do
      assert.has_error(function()
        atools.every(bad, print)
      end)
    end
    for _, name in ipairs { "every", "after" } do
      assert.has_error(function()
        atools[name](1)
      end)
    end
  end)
end)

describe("defer", function()
  it("calls when the caller has returned to the loop", function()
    local called
    atools.defer(function(a, b)
      called = { a, b }
    end, 1, 2)
    assert.is_nil(called)
    atools.sleep(0)
    assert.same({ 1, 2 }, called)
  end)

  it("can be taken back, or moved", function()
    local count = 0
    local function call()
      count = count + 1
    end
    atools.defer(call):close()
    local moved = atools.defer(call)
    moved:again(0.01)
    atools.sleep(0)
    atools.sleep(0)
    assert.equal(0, count)
    atools.sleep(0.03)
    assert.equal(1, count)
    moved = atools.defer(call)
    moved:again(0)
    atools.sleep(0.01)
    assert.equal(2, count)
  end)

  it("may wait", function()
    local done = false
    atools.defer(function()
      atools.sleep(0.005)
      done = true
    end)
    atools.sleep(0.02)
    assert.is_true(done)
  end)
end)

describe("the clocks", function()
  it("are seconds, and one never goes back", function()
    local last = atools.now()
    for _ = 1, 1000 do
      local now = atools.now()
      assert.is_true(now >= last)
      last = now
    end
    assert.is_true(math.abs(atools.time() - os.time()) < 2)
  end)

  it("sleep for parts of a millisecond where the system can", function()
    local start = atools.now()
    for _ = 1, 20 do
      atools.sleep(0.0002)
    end
    local took = atools.now() - start
    assert.is_true(took >= 0.004 - 1e-6)
  end)
end)
