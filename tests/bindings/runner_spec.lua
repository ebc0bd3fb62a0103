-- SPDX-License-Identifier: MIT
-- The runner as a program: options and signals.

local process = require "tests.support.process"
local runner = require "tests.support.runner"

local quoted, run, script = runner.quoted, runner.run, runner.script

describe("the runner's options", function()
  after_each(runner.clean)

  it("shows its version", function()
    local code, out = run("--version")
    assert.equal(0, code)
    assert.matches("^atools %d+%.%d+%.%d+ %(Lua 5%.4", out)
    assert.equal(out, select(2, run("-v")))
  end)

  it("shows its options", function()
    local code, out = run("--help")
    assert.equal(0, code)
    for _, option in ipairs { "-e", "-l", "-i", "--backend", "--max-files", "--listen" } do
      assert.is_truthy(out:find(option, 1, true), option)
    end
  end)

  it("lists the backends", function()
    local code, out = run("--list-backends")
    assert.equal(0, code)
    assert.matches("poll\n", out)
    assert.matches("select\n", out)
  end)

  it("refuses what it does not know", function()
    local wrong = { "--nonsense", "-x", "--version=1", "--max-files=x", "--max-files=0" }
    for _, option in ipairs(wrong) do
      local code, out, err = run(option)
      assert.equal(1, code, option)
      assert.equal("", out)
      assert.matches("^atools%-lua: ", err)
      assert.matches("usage: ", err)
    end
    assert.equal(1, (run("-e")))
    assert.equal(1, (run("--backend")))
  end)

  it("runs code and modules in the order given", function()
    local code, out = run("-e", "x = 1", "-l", "asocket", "-e", "print(x, type(asocket.listen))",
      "-eprint('attached')", "-ls=string", "-e", "print(s == string)")
    assert.equal(0, code)
    assert.equal("1\tfunction\nattached\ntrue\n", out)
  end)

  it("takes the backend from the command line, else from the environment", function()
    local print_backend = "print(require('atools').info().backend)"
    assert.equal("poll\n", select(2, run("--backend", "poll", "-e", print_backend)))
    assert.equal("select\n", select(2, run("--backend=select", "-e", print_backend)))
    local code, out = process.run("export ATOOLS_BACKEND=poll; " .. quoted("-e", print_backend))
    assert.equal("poll\n", out)
    assert.equal(0, code)
  end)

  it("names the backends when it is given a wrong one", function()
    local code, _, err = run("--backend", "carrier-pigeon", "-e", "")
    assert.equal(1, code)
    assert.matches("select", err)
    assert.matches("poll", err)
  end)

  it("asks for more open files", function()
    local code, out = process.run("ulimit -Sn 256; "
      .. quoted("--max-files", "300", "-e", "print((require('asocket').getMaxFiles()))"))
    assert.equal(0, code)
    assert.equal("300\n", out)
  end)

  it("goes on with fewer files than asked for, and says so", function()
    local code, out, err = process.run("ulimit -n 256; ulimit -Hn >&2; "
      .. quoted("--max-files", "300", "-e", "print 'on'"))
    assert.equal(0, code)
    assert.equal("on\n", out)
    if err:match("^%d+") ~= "256" or err:find("300", 1, true) then
      assert.matches("300", err) -- as root the hard limit may be raised after all
    end
  end)
end)

describe("a signal to end", function()
  after_each(runner.clean)

  local server = [[
    local atools, asocket = require "atools", require "asocket"
    local l = assert(asocket.listen("127.0.0.1:0", {
      frame = "line",
      on_open = function(conn) conn:write("welcome\n") end,
      on_data = function(conn, line) atools.sleep(tonumber(line)) conn:write("done\n") end,
    }))
    atools.on_stop(function() print "stopping" end)
    print("port " .. select(2, l:local_address()))
    io.stdout:flush()
  ]]

  local function start()
    local child = process.start(quoted(script(server)))
    return child, "127.0.0.1:" .. child:expect("port (%d+)")
  end

  it("ends a server with nothing to do at once", function()
    for _, signal in ipairs { "TERM", "INT" } do
      local child = start()
      child:kill(signal)
      assert.equal(0, child:wait(5))
      assert.matches("stopping", child.output)
    end
  end)

  it("closes idle connections and refuses new ones", function()
    local asocket = require "asocket"
    local child, address = start()
    local conn <close> = assert(asocket.connect(address))
    assert.equal("welcome", conn:read())
    child:kill("TERM")
    local _, _, code = conn:read()
    assert.equal("EOF", code)
    assert.equal(0, child:wait(5))
    assert.is_nil((asocket.connect(address)))
  end)

  it("lets a handler at work finish", function()
    local asocket = require "asocket"
    local child, address = start()
    local conn <close> = assert(asocket.connect(address))
    assert.equal("welcome", conn:read())
    conn:write("0.5\n")
    require("atools").sleep(0.1)
    child:kill("TERM")
    assert.equal("done", conn:read())
    assert.equal(0, child:wait(5))
  end)

  it("ends tasks that only wait to read their own connection", function()
    local asocket = require "asocket"
    local path = script([[
      local l = assert(require("asocket").serve("127.0.0.1:0", function(conn)
        conn:write("welcome\n")
        for line in conn:lines() do conn:write(line, "\n") end
      end))
      print("port " .. select(2, l:local_address()))
      io.stdout:flush()
    ]])
    local child = process.start(quoted(path))
    local conn <close> = assert(asocket.connect("127.0.0.1:" .. child:expect("port (%d+)")))
    assert.equal("welcome", conn:read())
    child:kill("TERM")
    assert.equal(0, child:wait(5))
    assert.equal("", child.errors)
  end)

  it("sent twice ends at once", function()
    local asocket = require "asocket"
    local child, address = start()
    local conn <close> = assert(asocket.connect(address))
    assert.equal("welcome", conn:read())
    conn:write("60\n")
    require("atools").sleep(0.1)
    child:kill("TERM")
    child:expect("stopping")
    assert.is_false(child:ended())
    child:kill("TERM")
    assert.equal(128 + 15, child:wait(5))
  end)

  it("sent twice ends a script that never lets go", function()
    local child = process.start(quoted("-e", "io.write('busy\\n') io.flush() while true do end"))
    child:expect("busy")
    child:kill("INT")
    require("atools").sleep(0.05)
    child:kill("INT")
    assert.equal(128 + 2, child:wait(10))
  end)

  it("reaches the script instead when it asked for it", function()
    local child = process.start(quoted("-e", [[
      local atools = require "atools"
      local t = atools.after(60, function() end)
      local s
      s = atools.signal("SIGTERM", function() print "mine" io.flush() s:close() t:close() end)
      print "ready" io.flush()
    ]]))
    child:expect("ready")
    child:kill("TERM")
    assert.equal(0, child:wait(5))
    assert.matches("mine", child.output)
  end)
end)
