-- SPDX-License-Identifier: MIT
-- What is said when nothing can go on; and run, that waits for the rest.

local runner = require "tests.support.runner"

describe("a program whose tasks nothing can wake", function()
  it("names each with the place where it waits", function()
    local code, _, err = runner.run("-latools", "-e", [[
      local ch = atools.channel()
      local function stuck() ch:receive() end
      atools.spawn(stuck)
      atools.spawn(function() ch:receive() end)]])
    assert.equal(1, code)
    assert.matches("2 tasks wait for what can never come", err)
    assert.matches("%(command line%):2: in", err)
    assert.matches("%(command line%):4: in", err)
  end)

  it("is one only when it was not told to stop", function()
    assert.equal(0, (runner.run("-latools", "-e", [[
      require("atools.stop").drain = 0
      atools.spawn(function() atools.channel():receive() end)
      atools.stop()]])))
  end)
end)

describe("run inside a task", function()
  it("waits for everything but the caller", function()
    local code, out = runner.run("-latools", "-e", [[
      atools.after(0.02, print, "timer")
      atools.run(function() atools.sleep(0.01) print "task" end)
      print "all"]])
    assert.equal(0, code)
    assert.equal("task\ntimer\nall\n", out)
  end)
end)
