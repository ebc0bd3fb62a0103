-- SPDX-License-Identifier: MIT
-- The replaced require: as the stock one, but modules may wait while they load.

local atools = require "atools"

local names = {}

-- A module of this source, for this test.
local function module(name, fn)
  names[#names + 1] = name
  package.preload[name] = fn
  return name
end

describe("require", function()
  after_each(function()
    for _, name in ipairs(names) do
      package.preload[name], package.loaded[name] = nil, nil
    end
    names = {}
  end)

  it("lets a module wait while it loads", function()
    module("spec.waits", function(...)
      atools.sleep(0.005)
      return { args = table.pack(...) }
    end)
    local loaded, data = require "spec.waits"
    assert.same({ n = 2, "spec.waits", ":preload:" }, loaded.args)
    assert.equal(":preload:", data)
    assert.equal(1, select("#", (require "spec.waits")))
    assert.equal(loaded, require "spec.waits")
  end)

  it("loads a module once, whoever asks meanwhile", function()
    local count = 0
    module("spec.once", function()
      count = count + 1
      atools.sleep(0.01)
      return { count }
    end)
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = atools.spawn(require, "spec.once")
    end
    local first = require "spec.once"
    for i = 1, 5 do
      assert.equal(first, select(2, tasks[i]:join()))
    end
    assert.equal(1, count)
  end)

  it("lets the next one try when loading failed", function()
    local count = 0
    module("spec.fails", function()
      count = count + 1
      atools.sleep(0.005)
      if count == 1 then
        error("at first", 0)
      end
      return "second"
    end)
    local a = atools.spawn(require, "spec.fails")
    local b = atools.spawn(require, "spec.fails")
    assert.equal("at first", select(2, a:join()))
    assert.equal("second", select(2, b:join()))
    assert.equal(2, count)
  end)

  it("lets the next one try when loading was cancelled", function()
    local slow = true
    module("spec.cancelled", function()
      atools.sleep(slow and 100 or 0)
      return "loaded"
    end)
    local a = atools.spawn(require, "spec.cancelled")
    local b = atools.spawn(require, "spec.cancelled")
    atools.sleep(0)
    atools.sleep(0)
    slow = false
    a:cancel()
    assert.equal("ECANCELED", select(3, a:join()))
    assert.same({ true, "loaded", ":preload:" }, { b:join() })
  end)

  it("finds a cycle, in one task and over several", function()
    local function cycle(one, other)
      module(one, function()
        atools.sleep(0.005)
        local loaded = require(other) -- no tail call: the message has its place
        return loaded
      end)
    end
    cycle("spec.a", "spec.b")
    cycle("spec.b", "spec.a")
    local ok, message = pcall(require, "spec.a")
    assert.is_false(ok)
    local loop = "loop or previous error loading module 'spec%.a'"
    assert.matches("require_spec%.lua:%d+: " .. loop, message)
    local a = atools.spawn(require, "spec.a")
    local b = atools.spawn(require, "spec.b")
    local results = { a:join(), b:join() }
    assert.is_nil(results[1])
    assert.is_nil(results[2])
  end)

  it("keeps what a module puts into package.loaded itself", function()
    module("spec.own", function(name)
      package.loaded[name] = "own"
    end)
    assert.equal("own", require "spec.own")
    module("spec.nothing", function() end)
    assert.is_true(require "spec.nothing")
    module("spec.false", function()
      return false
    end)
    assert.is_false(require "spec.false")
  end)

  it("says as the stock one what it did not find, and where from", function()
    local ok, message = pcall(function()
      require "spec.no such module"
    end)
    assert.is_false(ok)
    assert.matches("^[^\n]*require_spec%.lua:%d+: module 'spec%.no such module' not found:\n\t"
      .. "no field package%.preload%['spec%.no such module'%]\n\tno file '", message)
  end)

  it("checks its argument", function()
    local _, message = pcall(require)
    assert.matches("bad argument #1 to 'require' %(string expected, got no value%)", message)
    _, message = pcall(require, {})
    assert.matches("string expected, got table", message)
  end)

  it("passes a module's own error on", function()
    module("spec.raises", function()
      error({ code = 5 })
    end)
    local ok, err = pcall(require, "spec.raises")
    assert.is_false(ok)
    assert.equal(5, err.code)
  end)
end)
