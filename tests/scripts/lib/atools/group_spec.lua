-- SPDX-License-Identifier: MIT
-- Groups of tasks that end together.

local atools = require "atools"

local function hear_errors()
  local heard = {}
  atools.on_error(function(_, err)
    heard[#heard + 1] = tostring(err)
  end)
  finally(function()
    atools.on_error(nil)
  end)
  return heard
end

describe("join", function()
  it("waits for all tasks, also those started meanwhile", function()
    local done = 0
    local group <close> = atools.group()
    for i = 1, 3 do
      group:spawn(function()
        atools.sleep(i / 1000)
        group:spawn(function()
          atools.sleep(0.005)
          done = done + 1
        end)
        done = done + 1
      end)
    end
    assert.is_true(group:join())
    assert.equal(6, done)
    assert.is_true(group:join())
  end)

  it("gives the first failure, which cancels the others", function()
    local codes = {}
    local group <close> = atools.group()
    for i = 1, 3 do
      group:spawn(function()
        local _, err = pcall(atools.sleep, 100)
        codes[i] = err.code .. ": " .. err.message
        error(err, 0)
      end)
    end
    group:spawn(function()
      atools.check(nil, "down", "ECONNRESET")
    end)
    local ok, message, code, err = group:join()
    assert.is_nil(ok)
    assert.same({ "down", "ECONNRESET" }, { message, code })
    assert.equal("down", err.message)
    local why = "ECANCELED: another task of the group failed"
    assert.same({ why, why, why }, codes)
  end)

  it("cancels what is started after the failure too", function()
    local group <close> = atools.group()
    group:spawn(error, "early")
    atools.sleep(0)
    local late = group:spawn(atools.sleep, 100)
    local _, message = group:join()
    assert.matches("early", message)
    assert.equal("cancelled", late:status())
  end)

  it("takes nil for a failure when that was raised", function()
    local group <close> = atools.group()
    group:spawn(error)
    local ok, _, code = group:join()
    assert.is_nil(ok)
    assert.equal("ESCRIPT", code)
  end)

  it("takes a task that was cancelled by itself for no failure", function()
    local group <close> = atools.group()
    local other = group:spawn(atools.sleep, 0.01)
    local task = group:spawn(atools.sleep, 100)
    atools.sleep(0)
    task:cancel()
    assert.is_true(group:join())
    assert.equal("done", other:status())
  end)

  it("may be called by many", function()
    local group <close> = atools.group()
    group:spawn(atools.sleep, 0.005)
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = atools.spawn(group.join, group)
    end
    for i = 1, 3 do
      assert.same({ true, true }, { tasks[i]:join() })
    end
  end)

  it("leaves the results with the tasks", function()
    local group <close> = atools.group()
    local task = group:spawn(function(...)
      return select("#", ...), ...
    end, 1, nil)
    group:join()
    assert.same({ n = 4, true, 2, 1, nil }, table.pack(task:join()))
  end)
end)

describe("leaving the block", function()
  it("cancels what is left and waits for it", function()
    local order = {}
    do
      local group <close> = atools.group()
      group:spawn(function()
        local ok = pcall(atools.sleep, 100)
        atools.shield(1, atools.sleep, 0.01)
        order[#order + 1] = "cleaned up " .. tostring(ok)
      end)
      atools.sleep(0)
    end
    order[#order + 1] = "left"
    assert.same({ "cleaned up false", "left" }, order)
  end)

  it("by an error does the same, and the error goes on", function()
    local task
    local ok, err = pcall(function()
      local group <close> = atools.group()
      task = group:spawn(atools.sleep, 100)
      atools.sleep(0)
      error("mine", 0)
    end)
    assert.same({ false, "mine" }, { ok, err })
    assert.equal("cancelled", task:status())
  end)

  it("by cancel or deadline waits too", function()
    local cleaned = false
    local inner
    local task = atools.spawn(function()
      local group <close> = atools.group()
      inner = group:spawn(function()
        pcall(atools.sleep, 100)
        atools.shield(1, atools.sleep, 0.01)
        cleaned = true
      end)
      group:join()
    end)
    atools.sleep(0)
    task:cancel()
    assert.equal("ECANCELED", select(3, task:join()))
    assert.is_true(cleaned)
    assert.equal("done", inner:status())
    assert.equal("ETIMEDOUT", select(3, atools.deadline(0.01, function()
      local group <close> = atools.group()
      inner = group:spawn(atools.sleep, 100)
      group:join()
    end)))
    assert.equal("cancelled", inner:status())
  end)

  it("without join reports the failure, join does not", function()
    local heard = hear_errors()
    for i = 1, 2 do
      local group <close> = atools.group()
      group:spawn(error, "lost " .. i, 0)
      atools.sleep(0)
      atools.sleep(0)
      if i == 2 then
        group:join()
      end
    end
    atools.sleep(1.2)
    assert.same({ "lost 1" }, heard)
  end)

  it("ends the group", function()
    local group = atools.group()
    group:close()
    group:close()
    assert.has_error(function()
      group:spawn(print)
    end, "the group is closed")
    assert.is_true(group:join())
  end)
end)

describe("a group's task", function()
  it("has the traceback of where it failed", function()
    local group <close> = atools.group()
    local function place_of_failure()
      error "here"
    end
    local task = group:spawn(function()
      place_of_failure()
    end)
    group:join()
    assert.matches("'place_of_failure'", task:traceback())
  end)

  it("must be a function", function()
    local group <close> = atools.group()
    assert.has_error(function()
      group:spawn(5)
    end, "bad argument #1 to 'spawn' (function expected, got number)")
  end)
end)
