-- SPDX-License-Identifier: MIT

local atools = require "atools"

describe("tasks", function()
  it("run first in, first out, and never inside the caller", function()
    local order, group = {}, atools.group()
    for i = 1, 3 do
      group:spawn(function()
        order[#order + 1] = i
      end)
    end
    order[#order + 1] = "caller"
    group:join()
    assert.same({ "caller", 1, 2, 3 }, order)
  end)

  it("hand their results, or their failure, to join", function()
    local task = atools.spawn(function(...)
      return select("#", ...), ...
    end, 1, nil)
    assert.same({ true, 2, 1, nil }, { task:join() })
    assert.equal("done", task:status())
    task = atools.spawn(error, "broken", 0)
    assert.same({ nil, "broken", "ESCRIPT", "broken" }, { task:join() })
    assert.equal("failed", task:status())
    assert.matches("broken", task:traceback())
  end)

  it("stay cancelled, without keeping the engine from its work", function()
    local turns, stop = 0, false
    local task = atools.spawn(function()
      while not stop do
        pcall(atools.sleep, 10)
        turns = turns + 1
      end
    end)
    atools.sleep(0)
    task:cancel("enough")
    atools.sleep(0.02)
    stop = true
    assert.is_true(turns > 1)
    task:join()
  end)

  it("take fields of their own, but no method's name", function()
    local me = atools.current()
    me.data = "mine"
    assert.equal("mine", atools.current().data)
    assert.has_error(function()
      me.join = 1
    end)
  end)

  it("sleep by the thousand", function()
    local woken, group = 0, atools.group()
    for _ = 1, 10000 do
      group:spawn(function()
        atools.sleep(0.01)
        woken = woken + 1
      end)
    end
    assert.is_true(group:join())
    assert.equal(10000, woken)
  end)
end)

describe("waiting", function()
  it("goes through generators, protected calls, metamethods and closing", function()
    local closed
    local object = setmetatable({}, {
      __index = function(_, key)
        atools.sleep(0)
        return key
      end,
      __close = function()
        atools.sleep(0)
        closed = true
      end,
    })
    local generate = coroutine.wrap(function()
      for i = 1, 3 do
        atools.sleep(0)
        coroutine.yield(i)
      end
    end)
    assert.same({ 1, 2, 3 }, { generate(), generate(), generate() })
    assert.equal("name", object.name)
    local ok, message = pcall(function()
      local held <close> = object
      error("raised " .. held.thing, 0)
    end)
    assert.is_false(ok)
    assert.equal("raised thing", message)
    assert.is_true(closed)
  end)

  it("makes a coroutine normal, and nobody else may resume it", function()
    local co = coroutine.create(function()
      atools.sleep(0.01)
      return "done"
    end)
    local task = atools.spawn(coroutine.resume, co)
    atools.sleep(0)
    assert.equal("normal", coroutine.status(co))
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("non%-suspended", message)
    assert.same({ true, true, "done" }, { task:join() })
    assert.equal("dead", coroutine.status(co))
  end)

  it("is refused where Lua cannot be suspended, naming what is in the way", function()
    for name, call in pairs {
      sort = function()
        table.sort({ 2, 1 }, function()
          atools.sleep(0)
        end)
      end,
      gsub = function()
        string.gsub("x", "x", function()
          atools.sleep(0)
        end)
      end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("cannot wait here: inside .*" .. name, message)
    end
  end)
end)

describe("deadlines", function()
  it("end every wait inside and say so once", function()
    local caught = 0
    local ok, message, code = atools.deadline(0.01, function()
      for _ = 1, 3 do
        local fine, err = pcall(atools.sleep, 10)
        caught = caught + (not fine and err.code == "ETIMEDOUT" and 1 or 0)
      end
      atools.sleep(10)
    end)
    assert.is_nil(ok)
    assert.equal("timeout", message)
    assert.equal("ETIMEDOUT", code)
    assert.equal(3, caught)
    assert.is_true(atools.sleep(0))
  end)

  it("give the function's results when they are not reached", function()
    assert.same({ 1, nil, 3 }, { atools.deadline(10, function()
      atools.sleep(0)
      return 1, nil, 3
    end) })
  end)

  it("are held back by a shield", function()
    local cleaned
    atools.deadline(0.005, function()
      pcall(atools.sleep, 10)
      atools.shield(1, function()
        atools.sleep(0.005)
        cleaned = true
      end)
    end)
    assert.is_true(cleaned)
  end)
end)

describe("timers", function()
  it("fire, stop, start again and pass arguments", function()
    local got = {}
    local timer = atools.after(0, function(...)
      got[#got + 1] = { ... }
    end, "a", 2)
    atools.sleep(0.01)
    assert.same({ { "a", 2 } }, got)
    timer:again(0)
    atools.sleep(0.01)
    assert.equal(2, #got)
    local never = atools.after(0.001, error)
    never:close()
    never:close()
    atools.sleep(0.01)
  end)

  it("keep to their grid and count what they skip", function()
    local ticks = 0
    local timer = atools.every(0.005, function()
      ticks = ticks + 1
    end)
    local until_then = atools.now() + 0.03
    while atools.now() < until_then do -- keeps the loop from its work
    end
    atools.sleep(0.001)
    timer:close()
    assert.is_true(ticks <= 2)
    assert.is_true(timer:missed() >= 3)
  end)
end)

describe("errors", function()
  after_each(function()
    atools.on_error(nil)
  end)

  it("of handlers go to on_error with a traceback", function()
    local seen
    atools.on_error(function(object, err, traceback)
      seen = { object, err, traceback }
    end)
    atools.after(0, error, "in a timer", 0)
    atools.sleep(0.01)
    assert.equal("in a timer", seen[2])
    assert.matches("stack traceback", seen[3])
  end)

  it("raised by check have message, code and detail", function()
    local ok, err = pcall(atools.check, nil, "gone", "EOF", 7)
    assert.is_false(ok)
    assert.same({ "gone", "EOF", 7 }, { err.message, err.code, err.detail })
    assert.equal("gone", tostring(err))
    assert.same({ 1, 2 }, { atools.check(1, 2) })
    assert.equal(1, select("#", atools.check(1))) -- as with assert
  end)
end)
