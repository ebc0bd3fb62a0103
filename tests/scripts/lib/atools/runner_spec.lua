-- SPDX-License-Identifier: MIT
-- What the runner does with a script.

local process = require "tests.support.process"
local runner = require "tests.support.runner"

local quoted, run, script = runner.quoted, runner.run, runner.script

describe("a script", function()
  after_each(runner.clean)

  it("sees its arguments as with lua", function()
    local path = script("print(arg[0], arg[1], arg[2], #arg, arg[-1], ...)")
    local code, out = run("-W", path, "one", "-i")
    assert.equal(0, code)
    assert.equal(table.concat({ path, "one", "-i", "2", "-W", "one", "-i" }, "\t") .. "\n", out)
  end)

  it("comes from standard input with - and without arguments", function()
    local code, out = process.run(quoted("-", "a"), { input = "print(arg[0], ...)" })
    assert.equal(0, code)
    assert.equal("-\ta\n", out)
    assert.equal("hi\n", select(2, process.run(quoted(), { input = "print 'hi'" })))
  end)

  it("follows -- even if its name begins with a dash", function()
    local code, _, err = run("--", "-missing.lua")
    assert.equal(1, code)
    assert.matches("%-missing%.lua", err)
  end)

  it("runs as a task: it may wait", function()
    local code, out = run("-e",
      "local a = require 'atools' a.sleep(0.01) print(a.current() ~= nil)")
    assert.equal(0, code)
    assert.equal("true\n", out)
  end)

  it("that raises ends with 1 and a traceback", function()
    local path = script("local function f() error('broken') end\nf()\nreturn 1")
    local code, out, err = run(path)
    assert.equal(1, code)
    assert.equal("", out)
    local expected = "atools-lua: " .. path .. ":1: broken\nstack traceback:\n"
    assert.equal(expected, err:sub(1, #expected))
    assert.is_nil(err:find("runner", 1, true), err)
  end)

  it("that raises ends although listeners are open", function()
    local code, _, err = run("-e", "require('asocket').listen('127.0.0.1:0', {}) error 'stop'")
    assert.equal(1, code)
    assert.matches("stop", err)
  end)

  it("that raises an object shows its text or its type", function()
    assert.matches("atools%-lua: words\n", select(3, run("-e",
      "error(setmetatable({}, { __tostring = function() return 'words' end }))")))
    assert.matches("error object is a table value", select(3, run("-e", "error {}")))
  end)

  it("with a syntax error, or missing, is told without a traceback", function()
    local code, _, err = run("-e", "x =")
    assert.equal(1, code)
    assert.equal("atools-lua: (command line):1: unexpected symbol near <eof>\n", err)
    code, _, err = run("/nonexistent.lua")
    assert.equal(1, code)
    assert.matches("^atools%-lua: cannot open /nonexistent.lua", err)
  end)

  it("obeys LUA_INIT, unless told not to look at the environment", function()
    local code, out = process.run("export LUA_INIT='x = 7'; " .. quoted("-e", "print(x)"))
    assert.equal(0, code)
    assert.equal("7\n", out)
    assert.equal("nil\n",
      select(2, process.run("export LUA_INIT='x = 7'; " .. quoted("-E", "-e", "print(x)"))))
  end)

  it("finds modules by LUA_PATH", function()
    local path = script("return { answer = 42 }")
    local directory, name = path:match("^(.*)/([^/]+)$")
    local code, out = process.run(("export LUA_PATH='%s/?;;'; "):format(directory)
      .. quoted("-e", ("print(require('%s').answer)"):format(name)))
    assert.equal(0, code)
    assert.equal("42\n", out)
  end)

  it("can load C modules that are linked to nothing", function()
    local code, out = run("-e", "print(require('cjson').encode { 1, 2 })")
    assert.equal(0, code)
    assert.equal("[1,2]\n", out)
  end)

  it("ends with the code given to os.exit", function()
    assert.equal(7, (run("-e", "os.exit(7)")))
    assert.equal(8, (run("-e", "require('asocket').listen('127.0.0.1:0', {}) os.exit(8, true)")))
  end)

  it("ends with the code given to stop", function()
    assert.equal(0, (run("-e", "require('atools').stop()")))
    assert.equal(3, (run("-lasocket", "-latools", "-e",
      "asocket.listen('127.0.0.1:0', {}) atools.stop(3)")))
  end)

  it("runs from any directory", function()
    local path = runner.path
    local absolute = path:sub(1, 1) == "/" and process.quote(path) or "$OLDPWD/" .. path
    local code, out = process.run("cd /; exec " .. absolute
      .. " -e 'print(require \"asocket\" ~= nil)'")
    assert.equal(0, code)
    assert.equal("true\n", out)
  end)
end)

describe("a program that cannot go on", function()
  after_each(runner.clean)

  it("says where each task waits and ends with 1", function()
    local path = script("local atools = require 'atools'\n"
      .. "local ch = atools.channel()\nch:receive()\n")
    local code, _, err = run(path)
    assert.equal(1, code)
    assert.is_truthy(err:find("waits for what can never come", 1, true), err)
    assert.is_truthy(err:find(path .. ":3:", 1, true), err)
  end)
end)

describe("--listen", function()
  after_each(runner.clean)

  local function ask(port, text)
    local asocket = require "asocket"
    local conn <close> = assert(asocket.connect("127.0.0.1:" .. port))
    conn:write(text)
    conn:shutdown()
    return conn:read("a")
  end

  it("serves with a table of handlers, at several addresses", function()
    local path = script("return { on_data = function(conn, s) conn:write(s:upper()) end }")
    local child = process.start(quoted("--listen", "127.0.0.1:0", "--listen=127.0.0.1:0", path))
    local one, two = child:expect(":(%d+) .*:(%d+) ")
    assert.equal("HI", ask(one, "hi"))
    assert.equal("HO", ask(two, "ho"))
    child:kill("TERM")
    assert.equal(0, child:wait())
  end)

  it("serves with a function", function()
    local path = script("return function(conn) conn:write(conn:read('a'):reverse()) end")
    local child = process.start(quoted("--listen", "127.0.0.1:0", path))
    assert.equal("cba", ask(child:expect(":(%d+) "), "abc"))
    child:kill("TERM")
    assert.equal(0, child:wait())
  end)

  it("ends with 1 when the script returns anything else", function()
    local code, _, err = run("--listen", "127.0.0.1:0", script("return 5"))
    assert.equal(1, code)
    assert.matches("handlers or a function, not number", err)
  end)

  it("ends with 1 when it cannot bind", function()
    local code, _, err = run("--listen", "203.0.113.1:7", script("return {}"))
    assert.equal(1, code)
    assert.matches("203%.0%.113%.1:7", err)
    code = run("--listen", "no port", script("return {}"))
    assert.equal(1, code)
  end)
end)
