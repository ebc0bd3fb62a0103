-- SPDX-License-Identifier: MIT
-- What module atools has beside tasks and time.

local atools = require "atools"
local process = require "tests.support.process"
local runner = require "tests.support.runner"

local function stock(code)
  return runner.stock("local atools = require 'atools'\n" .. code)
end

describe("check", function()
  it("gives what it got when the first is true", function()
    assert.same({ n = 6, 1, "two", nil, 4, nil, 6 },
      table.pack(atools.check(1, "two", nil, 4, nil, 6)))
  end)

  it("raises an error object otherwise", function()
    local ok, err = pcall(atools.check, nil, "down", "ECONNRESET", { "more" })
    assert.is_false(ok)
    assert.equal("down", tostring(err))
    assert.same({ "down", "ECONNRESET", { "more" } }, { err.message, err.code, err.detail })
    ok, err = pcall(atools.check, false)
    assert.is_false(ok)
    assert.same({ "check failed", "ESCRIPT" }, { err.message, err.code })
  end)

  it("is at one with what raises by itself", function()
    local _, err = atools.deadline(false, pcall, function()
      atools.check(nil, "x", "EOF")
    end)
    local task = atools.spawn(pcall, atools.sleep, 100)
    atools.sleep(0)
    task:cancel()
    local _, _, cancelled = task:join()
    assert.equal(getmetatable(err), getmetatable(cancelled))
  end)
end)

describe("info", function()
  it("tells what this engine is", function()
    local info = atools.info()
    assert.matches("^%d+%.%d+%.%d+", info.version)
    assert.matches("^Lua 5%.4", info.lua)
    assert.equal(os.getenv "ATOOLS_BACKEND" or info.backends[1], info.backend)
    local known = table.concat(info.backends, " ")
    assert.matches("poll", known)
    assert.is_false(info.tls)
    assert.is_false(info.sql)
    assert.is_string(info.dns)
    assert.is_true(math.type(info.max_files) == "integer" and info.max_files > 3)
  end)
end)

describe("stats", function()
  it("counts", function()
    local before = atools.stats()
    for _, value in pairs(before) do
      assert.equal("integer", math.type(value))
    end
    local task = atools.spawn(atools.sleep, 0.001)
    assert.equal(before.tasks + 1, atools.stats().tasks)
    task:join()
    local after = atools.stats()
    assert.equal(before.spawned + 1, after.spawned)
    assert.is_true(after.turns > before.turns)
    assert.is_true(after.timers_fired > before.timers_fired)
  end)
end)

describe("the log", function()
  it("goes to on_log, escaped, and an error there is nobody's", function()
    local lines = {}
    atools.on_log(function(level, text)
      lines[#lines + 1] = level .. ": " .. text
      atools.log("info", "from inside") -- dropped, or it would not end
      error "dropped"
    end)
    finally(function()
      atools.on_log(nil)
    end)
    atools.log("warning", "one\ntwo\27")
    atools.log("error", "three")
    assert.equal(2, #lines)
    assert.matches("^warning: one\\?[^\n]*two", lines[1])
    assert.is_nil(lines[1]:find "[\n\27]")
    assert.equal("error: three", lines[2])
  end)

  it("goes to stderr otherwise", function()
    local code, out, err = runner.run("-latools", "-e", "atools.log('info', 'hello')")
    assert.equal(0, code)
    assert.equal("", out)
    assert.equal("atools: hello\n", err)
  end)

  it("checks its level", function()
    assert.has_error(function()
      atools.log("loud", "x")
    end)
  end)
end)

describe("run in the stock interpreter", function()
  it("runs a task and gives its results", function()
    local code, out, err = stock [[
      print(atools.run(function(a, b)
        atools.spawn(function() atools.sleep(0.02) print "last" end)
        atools.sleep(0.001)
        return a, b, nil
      end, 1, 2))]]
    assert.equal(0, code, err)
    assert.equal("last\n1\t2\tnil\n", out)
  end)

  it("runs what was started before, and again", function()
    local code, out, err = stock [[
      atools.after(0.001, print, "timer")
      atools.spawn(print, "task")
      print(atools.run())
      print(atools.run(function() return atools.sleep(0) end))]]
    assert.equal(0, code, err)
    assert.equal("task\ntimer\n\ntrue\n", out)
  end)

  it("raises what its function raised, once, with a traceback", function()
    local code, _, err = stock [[
      local function inner() error "broken" end
      atools.run(function() atools.sleep(0) inner() end)]]
    assert.equal(1, code)
    assert.matches("broken\nstack traceback:.*'inner'", err)
    assert.equal(1, select(2, err:gsub("broken", "")))
  end)

  it("raises when tasks are left that nothing can wake", function()
    local code, _, err = stock [[
      atools.run(function() atools.channel():receive() end)]]
    assert.equal(1, code)
    assert.matches("1 task waits for what can never come:\ntask, in receive", err)
  end)

  it("reports other tasks' failures", function()
    local code, _, err = stock [[
      atools.spawn(error, "lost")
      atools.run(function() return 1 end)]]
    assert.equal(0, code)
    assert.matches("error in task:.*lost", err)
  end)

  it("ends with stop", function()
    local code, out, err = stock [[
      atools.on_stop(function() print "stopping" end)
      atools.after(100, print)
      atools.run(function() atools.stop() end)
      print "end"]]
    assert.equal(0, code, err)
    assert.equal("stopping\nend\n", out)
  end)

  it("takes the backend from the environment", function()
    local _, out = process.run("export ATOOLS_BACKEND=select; "
      .. runner.quoted("-latools", "-e", "print(atools.info().backend)"))
    assert.equal("select\n", out)
  end)
end)
