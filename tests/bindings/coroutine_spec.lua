-- SPDX-License-Identifier: MIT
-- The replaced coroutine functions: as in stock Lua for coroutines that do not
-- wait, and invisible to those that do.

local atools = require "atools"

local function nap()
  return atools.sleep(0.001)
end

describe("a generator that waits", function()
  it("works in a for loop", function()
    local list = {}
    for i, square in coroutine.wrap(function()
      for i = 1, 3 do
        nap()
        coroutine.yield(i, i * i)
      end
    end) do
      nap()
      list[#list + 1] = i + square
    end
    assert.same({ 2, 6, 12 }, list)
  end)

  it("works by resume, with values both ways", function()
    local co = coroutine.create(function(a, b)
      nap()
      local c = coroutine.yield(a + b)
      nap()
      local d, e = coroutine.yield(c * 2)
      nap()
      return d, e, nil
    end)
    assert.same({ true, 3 }, { coroutine.resume(co, 1, 2) })
    assert.same({ true, 20 }, { coroutine.resume(co, 10) })
    assert.same({ n = 4, true, "d", "e", nil }, table.pack(coroutine.resume(co, "d", "e")))
    assert.equal("dead", coroutine.status(co))
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end)

  it("works many levels deep", function()
    local function level(n)
      return coroutine.wrap(function()
        nap()
        if n == 0 then
          coroutine.yield "bottom"
        else
          for v in level(n - 1) do
            nap()
            coroutine.yield(v .. n)
          end
        end
      end)
    end
    assert.equal("bottom12345", level(5)())
  end)

  it("is handed from task to task", function()
    local gen = coroutine.wrap(function()
      for i = 1, 4 do
        nap()
        coroutine.yield(i)
      end
    end)
    local got = {}
    for _ = 1, 4 do
      local _, v = atools.spawn(gen):join()
      got[#got + 1] = v
    end
    assert.same({ 1, 2, 3, 4 }, got)
  end)

  it("passes errors on, after a wait too", function()
    local co = coroutine.create(function()
      nap()
      error({ code = 1 })
    end)
    local ok, err = coroutine.resume(co)
    assert.is_false(ok)
    assert.equal(1, err.code)
    assert.equal("dead", coroutine.status(co))
    local wrapped = coroutine.wrap(function()
      nap()
      error "text"
    end)
    local _, message = pcall(function()
      wrapped() -- its place comes first
    end)
    assert.matches("coroutine_spec%.lua:%d+: .*coroutine_spec%.lua:%d+: text$", message)
  end)

  it("that fails closes its variables, as in stock Lua", function()
    local closed
    local gen = coroutine.wrap(function()
      local _ <close> = setmetatable({}, { __close = function(_, err)
        closed = err
      end })
      nap()
      error("gone", 0)
    end)
    assert.is_false(pcall(gen))
    assert.equal("gone", closed)
  end)

  it("is cancelled with the task that runs it, and may catch that", function()
    local ch = atools.channel(1)
    local task = atools.spawn(function()
      local gen = coroutine.wrap(function()
        local ok, err = pcall(atools.sleep, 100)
        ch:send(err.code)
        coroutine.yield(ok)
      end)
      return gen()
    end)
    atools.sleep(0)
    task:cancel()
    assert.same({ true, false }, { task:join() })
    assert.equal("ECANCELED", ch:receive())
  end)
end)

describe("a coroutine that waits", function()
  it("is normal, and nobody else may resume or close it", function()
    local co = coroutine.create(function()
      nap()
      return "end"
    end)
    local task = atools.spawn(coroutine.resume, co)
    atools.sleep(0)
    assert.equal("normal", coroutine.status(co))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    local _, message = pcall(coroutine.close, co)
    assert.equal("cannot close a normal coroutine", message)
    assert.same({ true, true, "end" }, { task:join() })
    assert.equal("dead", coroutine.status(co))
  end)

  it("is one although a task's own", function()
    local own
    local task = atools.spawn(function()
      own = coroutine.running()
      nap()
      coroutine.yield()
      nap()
    end)
    for _ = 1, 3 do
      atools.sleep(0)
      local ok = coroutine.resume(own)
      assert.is_false(ok)
    end
    assert.is_true(task:join())
  end)

  it("says it can be suspended", function()
    assert.is_true(coroutine.isyieldable())
    local _, main = coroutine.running()
    assert.is_false(main)
  end)

  it("may be collected after it was left in the middle", function()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      local co = coroutine.create(function()
        nap()
        coroutine.yield()
      end)
      coroutine.resume(co)
      weak[co] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)

describe("the replaced functions", function()
  it("behave as the stock ones for plain coroutines", function()
    local co = coroutine.create(function(...)
      assert.equal(3, select("#", ...))
      local a, b = coroutine.yield(...)
      return b, a
    end)
    assert.equal("suspended", coroutine.status(co))
    assert.same({ n = 4, true, 1, nil, 3 }, table.pack(coroutine.resume(co, 1, nil, 3)))
    assert.same({ true, 2, 1 }, { coroutine.resume(co, 1, 2) })
    assert.equal("running", coroutine.status(coroutine.running()))
  end)

  it("know a normal coroutine", function()
    local outer
    outer = coroutine.create(function()
      return coroutine.wrap(function()
        return coroutine.status(outer), coroutine.resume(outer)
      end)()
    end)
    assert.same({ true, "normal", false, "cannot resume non-suspended coroutine" },
      { coroutine.resume(outer) })
  end)

  it("refuse to resume themselves", function()
    local co
    co = coroutine.create(function()
      return coroutine.resume(co)
    end)
    assert.same({ true, false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
  end)

  it("close: what is pending, errors of closing, dead ones", function()
    local closed
    local function make(fn)
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = fn })
        coroutine.yield()
      end)
      coroutine.resume(co)
      return co
    end
    local co = make(function()
      closed = true
    end)
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
    assert.is_true(coroutine.close(co))
    assert.same({ false, "in close" }, { coroutine.close(make(function()
      error("in close", 0)
    end)) })
    assert.is_true(coroutine.close(coroutine.create(print)))
  end)

  it("tell a wait inside close what is wrong", function()
    local message
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        message = select(2, pcall(nap))
      end })
      nap()
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
    assert.matches("cannot wait here: inside coroutine.close", message)
  end)

  it("check their arguments", function()
    for _, name in ipairs { "resume", "status", "close" } do
      local _, message = pcall(coroutine[name], 1)
      assert.matches("coroutine expected", message)
    end
    assert.is_false(pcall(coroutine.wrap, 1))
  end)

  it("refuse what does not fit the stack", function()
    local co = coroutine.wrap(function()
      return pcall(table.unpack, {}, 1, 1e6)
    end)
    local ok, message = co()
    assert.is_false(ok)
    assert.matches("too many results", message)
  end)

  it("end deep recursion with an error", function()
    local function deeper()
      return coroutine.wrap(deeper)()
    end
    local ok, message = pcall(deeper)
    assert.is_false(ok)
    assert.matches("C stack overflow", message)
    assert.is_true(nap())
  end)
end)
