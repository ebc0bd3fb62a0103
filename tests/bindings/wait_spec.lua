-- SPDX-License-Identifier: MIT
-- Where a task can wait, and what it is told where it cannot.

local atools = require "atools"

local function nap()
  return atools.sleep(0.001)
end

local function refused(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return (tostring(err):match("cannot wait here: (.*)"))
end

describe("a wait", function()
  it("passes pcall, xpcall and error", function()
    assert.same({ true, true }, { pcall(nap) })
    assert.same({ true, true }, { xpcall(nap, print) })
    local ok, err = pcall(function()
      nap()
      error "after"
    end)
    assert.is_false(ok)
    assert.matches("after", err)
  end)

  it("passes metamethods called by Lua code", function()
    local seen = {}
    local function note(name, result)
      return function()
        nap()
        seen[#seen + 1] = name
        return result
      end
    end
    local meta = {
      __index = note("index", 1), __newindex = note "newindex", __call = note("call", 2),
      __add = note("add", 3), __concat = note("concat", "4"), __lt = note("lt", true),
      __eq = note("eq", true), __len = note("len", 5), __unm = note("unm", 6),
    }
    local a, b = setmetatable({}, meta), setmetatable({}, meta)
    assert.equal(1, a.x)
    a.x = 1
    assert.equal(2, a())
    assert.equal(3, a + b)
    assert.equal("4", a .. b)
    assert.is_true(a < b)
    assert.is_true(a == b)
    assert.equal(5, #a)
    assert.equal(6, -a)
    assert.equal("index newindex call add concat lt eq len unm", table.concat(seen, " "))
  end)

  it("passes iterators of for loops, and what closes them", function()
    local closed = false
    local state = setmetatable({}, { __close = function()
      nap()
      closed = true
    end })
    local sum = 0
    for i in function(_, i)
      nap()
      return i < 3 and i + 1 or nil
    end, nil, 0, state do
      sum = sum + i
    end
    assert.equal(6, sum)
    assert.is_true(closed)
  end)

  it("passes <close> while an error unwinds", function()
    local order = {}
    local ok, err = pcall(function()
      local _ <close> = setmetatable({}, { __close = function(_, e)
        nap()
        order[#order + 1] = "outer " .. e
      end })
      local _ <close> = setmetatable({}, { __close = function(_, e)
        nap()
        order[#order + 1] = "inner " .. e
        error("second", 0)
      end })
      error("first", 0)
    end)
    assert.is_false(ok)
    assert.equal("second", err)
    assert.same({ "inner first", "outer second" }, order)
  end)

  it("passes dofile and loaded chunks", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local file = assert(io.open(path, "w"))
    file:write("require('atools').sleep(0.001) return 'done'")
    file:close()
    assert.equal("done", dofile(path))
    assert.equal("done", loadfile(path)())
  end)

  it("is refused inside C functions that cannot be suspended, by name", function()
    assert.equal("inside sort, which cannot be suspended", refused(function()
      table.sort({ 3, 1, 2 }, nap)
    end))
    assert.matches("^inside table%.sort,", refused(table.sort, { 3, 1, 2 }, nap))
    assert.matches("^inside gsub,", refused(function()
      return (("abc"):gsub(".", nap))
    end))
    assert.matches("^inside load,", refused(function()
      assert(load(nap))
    end))
    assert.matches("^inside tostring,", refused(function()
      local text = tostring(setmetatable({}, { __tostring = nap }))
      return text
    end))
  end)

  it("is refused there before anything is started", function()
    local ch = atools.channel()
    pcall(table.sort, { 3, 1, 2 }, function()
      ch:send(1)
    end)
    pcall(table.sort, { 3, 1, 2 }, function()
      ch:receive()
    end)
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:receive(0) })
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:send(1, 0) })
  end)

  it("is refused in finalizers", function()
    local message
    setmetatable({}, { __gc = function()
      message = refused(nap)
    end })
    collectgarbage()
    assert.equal("inside a finalizer (__gc), which cannot be suspended", message)
  end)

  it("is refused in message handlers", function()
    local message
    local function handler()
      message = refused(nap)
    end
    xpcall(error, handler)
    assert.matches("inside a message handler", message)
    message = nil
    xpcall(function()
      return nil + 1
    end, handler)
    assert.matches("inside a message handler", message)
  end)

  it("is refused in an inner coroutine for what is outside of it", function()
    assert.matches("inside gsub", refused(function()
      ("abc"):gsub(".", coroutine.wrap(function()
        nap()
      end))
    end))
    assert.matches("inside sort", refused(function()
      coroutine.wrap(function()
        table.sort({ 3, 2, 1 }, function()
          coroutine.wrap(nap)()
        end)
      end)()
    end))
  end)

  it("is refused in on_log functions", function()
    local message
    atools.on_log(function()
      message = refused(nap)
    end)
    atools.log("info", "anything")
    atools.on_log(nil)
    assert.is_truthy(message)
  end)

  it("leaves the task whole after each refusal", function()
    for _ = 1, 100 do
      pcall(table.sort, { 3, 2, 1 }, nap)
    end
    assert.is_true(nap())
  end)
end)

describe("seconds", function()
  it("must be a number, not negative, not NaN", function()
    for _, bad in ipairs { -1, 0 / 0, "x", {}, true } do
      assert.has_error(function()
        atools.sleep(bad)
      end)
    end
    assert.has_error(function()
      atools.sleep()
    end)
    assert.is_true(atools.sleep(0))
  end)

  it("may be so many that no clock comes there", function()
    for _, long in ipairs { math.huge, 1e300, math.maxinteger } do
      local task = atools.spawn(atools.sleep, long)
      atools.sleep(0)
      assert.equal("waiting", task:status())
      task:cancel()
      task:join()
    end
  end)
end)
