-- SPDX-License-Identifier: MIT
-- Deadlines and shields.

local atools = require "atools"

describe("deadline", function()
  it("gives what its function gives", function()
    assert.same({ n = 3, 1, nil, 3 }, table.pack(atools.deadline(1, function(a, b, c)
      atools.sleep(0)
      return a, b, c
    end, 1, nil, 3)))
    assert.same({ n = 0 }, table.pack(atools.deadline(1, function() end)))
    assert.equal("none", atools.deadline(false, function()
      return "none"
    end))
  end)

  it("ends the wait it falls into", function()
    local start = atools.now()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { atools.deadline(0.02, atools.sleep, 100) })
    assert.is_true(atools.now() - start < 10)
  end)

  it("raises at the wait, and at every later one", function()
    local codes = {}
    local function try()
      local _, err = pcall(atools.sleep, 100)
      codes[#codes + 1] = err.code
    end
    assert.same({ "done" }, { atools.deadline(0.01, function()
      try()
      try()
      return "done"
    end) })
    assert.same({ "ETIMEDOUT", "ETIMEDOUT" }, codes)
    assert.is_true(atools.sleep(0))
  end)

  it("gives every refused wait one turn of the loop", function()
    local ticks, rounds = 0, 0
    local timer <close> = atools.every(0.001, function()
      ticks = ticks + 1
    end)
    atools.deadline(0.01, function()
      while ticks < 20 do
        rounds = rounds + 1
        pcall(atools.sleep, 100)
      end
    end)
    assert.is_true(rounds > 1)
    assert.is_truthy(timer)
  end)

  it("covers waits of every kind", function()
    local task = atools.spawn(atools.sleep, 100)
    local ch = atools.channel()
    local co = coroutine.wrap(function()
      atools.sleep(100)
    end)
    for _, fn in ipairs {
      function() task:join() end, function() ch:receive() end, function() ch:send(1) end, co,
    } do
      assert.equal("ETIMEDOUT", select(3, atools.deadline(0.005, fn)))
    end
    task:cancel()
    task:join()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:receive(0) })
  end)

  it("leaves a wait's own timeout alone", function()
    local ch = atools.channel()
    assert.same({ true, nil, "timeout", "ETIMEDOUT" }, { atools.deadline(10, function()
      return true, ch:receive(0.005)
    end) })
  end)

  it("passes other errors on, and those of outer deadlines", function()
    local ok, err = pcall(atools.deadline, 1, error, "mine")
    assert.same({ false, "mine" }, { ok, err })
    local inner
    local outer = table.pack(atools.deadline(0.01, function()
      inner = table.pack(atools.deadline(100, atools.sleep, 100))
    end))
    assert.is_nil(inner)
    assert.equal("ETIMEDOUT", outer[3])
  end)

  it("nests: the inner one first, then the outer goes on", function()
    local result = table.pack(atools.deadline(10, function()
      local _, _, code = atools.deadline(0.005, atools.sleep, 100)
      atools.sleep(0.005)
      return code, "outer"
    end))
    assert.same({ "ETIMEDOUT", "outer" }, { result[1], result[2] })
  end)

  it("may be 0", function()
    assert.equal("ETIMEDOUT", select(3, atools.deadline(0, atools.sleep, 1)))
    assert.equal("no wait", atools.deadline(0, function()
      return "no wait"
    end))
  end)

  it("is about its function only, not about who resumed it", function()
    local gen = coroutine.wrap(function()
      return atools.deadline(0.01, function()
        coroutine.yield "out"
        atools.sleep(100)
      end)
    end)
    assert.equal("out", gen())
    assert.is_true(atools.sleep(0.02))
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { gen() })
  end)

  it("goes with its coroutine to another task", function()
    local gen = coroutine.wrap(function()
      return atools.deadline(0.01, function()
        coroutine.yield "out"
        atools.sleep(100)
      end)
    end)
    atools.spawn(gen):join()
    assert.same({ true, nil, "timeout", "ETIMEDOUT" }, { atools.spawn(gen):join() })
  end)

  it("is over when its coroutine is closed, forgotten or fails", function()
    local function make(fn)
      local co = coroutine.create(function()
        atools.deadline(0.01, function()
          coroutine.yield()
          fn()
        end)
      end)
      coroutine.resume(co)
      return co
    end
    coroutine.close(make(print))
    coroutine.resume(make(error))
    make(print)
    atools.spawn(make, print):join()
    collectgarbage()
    collectgarbage()
    assert.is_true(atools.sleep(0.02))
  end)

  it("is over when its task ends with it inside a coroutine", function()
    local keep
    atools.spawn(function()
      keep = coroutine.create(function()
        atools.deadline(0.01, function()
          coroutine.yield()
        end)
      end)
      coroutine.resume(keep)
    end):join()
    assert.is_true(atools.sleep(0.02))
    assert.is_true((coroutine.resume(keep)))
  end)

  it("needs a function and a task", function()
    assert.has_error(function()
      atools.deadline(1)
    end)
    assert.has_error(function()
      atools.deadline(-1, print)
    end)
  end)
end)

describe("shield", function()
  it("holds cancelling back", function()
    local order = {}
    local task = atools.spawn(function()
      atools.shield(10, function()
        atools.sleep(0.02)
        order[#order + 1] = "kept"
      end)
      order[#order + 1] = "after"
      atools.sleep(0)
      order[#order + 1] = "never"
    end)
    atools.sleep(0)
    task:cancel()
    assert.equal("ECANCELED", select(3, task:join()))
    assert.same({ "kept", "after" }, order)
  end)

  it("holds an outer deadline back", function()
    local inner
    local outer = table.pack(atools.deadline(0.005, function()
      inner = atools.shield(10, function()
        return atools.sleep(0.02)
      end)
      atools.sleep(0)
    end))
    assert.is_true(inner)
    assert.equal("ETIMEDOUT", outer[3])
  end)

  it("gives way when its own time is over", function()
    local task = atools.spawn(function()
      atools.shield(0.02, atools.sleep, 100)
    end)
    atools.sleep(0)
    task:cancel()
    local start = atools.now()
    assert.equal("ECANCELED", select(3, task:join()))
    assert.is_true(atools.now() - start < 10)
  end)

  it("does nothing to what nobody disturbs", function()
    assert.same({ 1, 2 }, { atools.shield(0.001, function()
      atools.sleep(0.005)
      return 1, 2
    end) })
  end)

  it("leaves deadlines inside of it in force", function()
    local task = atools.spawn(function()
      return atools.shield(10, function()
        return atools.deadline(0.01, atools.sleep, 100)
      end)
    end)
    atools.sleep(0)
    task:cancel()
    assert.same({ true, nil, "timeout", "ETIMEDOUT" }, { task:join() })
  end)
end)
