-- SPDX-License-Identifier: MIT

local atools = require "atools"

describe("a group", function()
  it("waits for all of its tasks", function()
    local done = 0
    local group <close> = atools.group()
    for i = 1, 3 do
      group:spawn(function()
        atools.sleep(0.001 * i)
        done = done + 1
      end)
    end
    assert.is_true(group:join())
    assert.equal(3, done)
  end)

  it("cancels the others when one fails, and tells of the first failure", function()
    local cancelled
    local group <close> = atools.group()
    group:spawn(function()
      local ok, err = pcall(atools.sleep, 100)
      cancelled = not ok and err.code
      error(err, 0)
    end)
    group:spawn(function()
      atools.sleep(0.001)
      atools.check(nil, "broken", "EPROTO")
    end)
    local ok, message, code = group:join()
    assert.is_nil(ok)
    assert.equal("broken", message)
    assert.equal("EPROTO", code)
    assert.equal("ECANCELED", cancelled)
  end)

  it("gives errors without a code the code ESCRIPT", function()
    local group <close> = atools.group()
    group:spawn(error, "plain", 0)
    assert.same({ nil, "plain", "ESCRIPT", "plain" }, { group:join() })
  end)

  it("cancels what is left and waits for it when its block is left", function()
    local cleaned = false
    do
      local group <close> = atools.group()
      group:spawn(function()
        local ok = pcall(atools.sleep, 100)
        assert(not ok)
        atools.shield(1, atools.sleep, 0.001)
        cleaned = true
      end)
      atools.sleep(0)
    end
    assert.is_true(cleaned)
  end)
end)
