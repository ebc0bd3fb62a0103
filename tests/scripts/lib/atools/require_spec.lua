-- SPDX-License-Identifier: MIT

local atools = require "atools"

describe("require", function()
  after_each(function()
    package.preload["spec.slow"] = nil
    package.loaded["spec.slow"] = nil
  end)

  it("loads a module that waits once, however many tasks want it", function()
    local loads = 0
    package.preload["spec.slow"] = function(name)
      loads = loads + 1
      atools.sleep(0.01)
      return { name = name }
    end
    local group <close> = atools.group()
    local seen = {}
    for i = 1, 3 do
      group:spawn(function()
        seen[i] = require "spec.slow"
      end)
    end
    assert.is_true(group:join())
    assert.equal(1, loads)
    assert.equal("spec.slow", seen[1].name)
    assert.equal(seen[1], seen[2])
    assert.equal(seen[1], seen[3])
  end)

  it("lets the next one try when loading failed", function()
    local loads = 0
    package.preload["spec.slow"] = function()
      loads = loads + 1
      if loads == 1 then
        error "not yet"
      end
      return true
    end
    assert.is_false(pcall(require, "spec.slow"))
    assert.is_true(require "spec.slow")
  end)

  it("tells of a module that requires itself", function()
    package.preload["spec.slow"] = function()
      return require "spec.slow"
    end
    local ok, message = pcall(require, "spec.slow")
    assert.is_false(ok)
    assert.matches("loop or previous error loading module 'spec.slow'", message)
  end)

  it("tells where it looked for what is not there", function()
    local ok, message = pcall(require, "spec.nowhere")
    assert.is_false(ok)
    assert.matches("module 'spec.nowhere' not found:", message)
    assert.matches("no field package.preload%['spec.nowhere'%]", message)
  end)
end)
