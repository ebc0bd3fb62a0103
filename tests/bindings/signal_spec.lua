-- SPDX-License-Identifier: MIT
-- Signal handlers.

local atools = require "atools"
local process = require "tests.support.process"
local runner = require "tests.support.runner"

-- The process of a script that prints its number first and then these lines.
local script = [[
  local pid = io.open("/proc/self/stat"):read("n")
  local function kill(name) os.execute("kill -" .. name .. " " .. pid) end
]]

describe("a signal handler", function()
  it("runs as a handler, with the name, and may wait", function()
    local code, out, err = runner.run("-latools", "-e", script .. [[
      local done = atools.channel()
      local h = atools.signal("SIGUSR1", function(name)
        atools.sleep(0.01)
        done:send(name)
      end)
      kill "USR1"
      print(done:receive())
      h:close()]])
    assert.equal(0, code, err)
    assert.equal("SIGUSR1\n", out)
  end)

  it("runs once more for what came while it was at work", function()
    local code, out, err = runner.run("-latools", "-e", script .. [[
      local count = 0
      local h <close> = atools.signal("HUP", function()
        count = count + 1
        atools.sleep(0.3)
      end)
      for _ = 1, 3 do kill "HUP" atools.sleep(0.02) end
      atools.sleep(1)
      print(count)]])
    assert.equal(0, code, err)
    assert.equal("2\n", out)
  end)

  it("replaces the default while it lives", function()
    local code, out = runner.run("-latools", "-e", script .. [[
      local h = atools.signal("SIGUSR2", function() print "handled" io.stdout:flush() end)
      kill "USR2"
      atools.sleep(0.05)
      h:close()
      h:close()
      kill "USR2"
      atools.sleep(1)
      print "alive"]])
    assert.equal("handled\n", out)
    assert.is_true(code ~= 0)
  end)

  it("keeps no process alive", function()
    assert.equal(0, (runner.run("-latools", "-e", "atools.signal('SIGHUP', print)")))
  end)

  it("is refused for what is no signal, or cannot be handled", function()
    for _, bad in ipairs { "SIGNOTHING", "", "KILL" } do
      local ok, message = pcall(atools.signal, bad, print)
      assert.is_true(not ok or message == nil, bad)
    end
    assert.has_error(function()
      atools.signal("HUP")
    end)
  end)

  it("of atools-lua stops it, in place of SIGTERM's default", function()
    local code, out = process.run("(" .. runner.quoted("-latools", "-e", [[
      atools.signal("SIGTERM", function() print "mine" os.exit(7) end)
      io.stdout:write("ready\n") io.stdout:flush()
      atools.sleep(10)]]) .. ") & sleep 0.5; kill -TERM $!; wait $!")
    assert.equal("ready\nmine\n", out)
    assert.equal(7, code)
  end)
end)
