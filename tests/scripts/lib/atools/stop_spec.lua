-- SPDX-License-Identifier: MIT
-- Stopping from inside; the signals are in tests/bindings/runner_spec.lua.

local runner = require "tests.support.runner"

local function run(code)
  return runner.run("-latools", "-lasocket", "-e", code)
end

describe("stop", function()
  it("runs what on_stop was given, as tasks", function()
    local code, out = run([[
      atools.on_stop(function() atools.sleep(0.01) print "one" end)
      atools.on_stop(function() print(atools.stopping()) end)
      print(atools.stopping())
      atools.stop()]])
    assert.equal(0, code)
    assert.equal("false\ntrue\none\n", out)
  end)

  it("does not wait for timers", function()
    assert.equal(4, (run([[
      atools.every(0.01, function() end)
      atools.after(1000, function() end)
      atools.stop(4)]])))
  end)

  it("does not wait for connections that nobody uses", function()
    local code = run([[
      a, b = asocket.pair()
      atools.stop()]])
    assert.equal(0, code)
  end)

  it("waits for what is queued", function()
    local code, out = run([[
      local a, b = asocket.pair()
      -- byte by byte it takes its time
      local size = os.getenv("ATOOLS_FAULTS") and 65536 or 8 * 1024 * 1024
      atools.spawn(function() atools.sleep(0.3) print(#b:read(size)) end)
      a:enqueue(("x"):rep(size))
      atools.stop()]])
    assert.equal(0, code)
    assert.equal(os.getenv("ATOOLS_FAULTS") and "65536\n" or "8388608\n", out)
  end)

  it("cancels what is left after the drain time", function()
    local code, out = run([[
      require("atools.stop").drain = 0.1
      atools.spawn(function()
        local ok, err = pcall(atools.sleep, 100)
        print(ok, err.code)
      end)
      atools.stop()]])
    assert.equal(0, code)
    assert.equal("false\tECANCELED\n", out)
  end)

  it("ends although a task goes on after being cancelled", function()
    local code = run([[
      local stop = require "atools.stop"
      stop.drain, stop.grace = 0.05, 0.1
      atools.spawn(function() while true do pcall(atools.sleep, 1) end end)
      atools.stop(5)]])
    assert.equal(5, code)
  end)

  it("refuses a handler that is no function", function()
    assert.has_error(function()
      require("atools").on_stop(5)
    end, "bad argument #1 to 'on_stop' (function expected)")
  end)
end)
