-- SPDX-License-Identifier: MIT
-- The runner as a program: options, exit codes, signals.

local process = require "tests.support.process"

local runner = os.getenv("ATOOLS_LUA") or "build/atools-lua"

local function quoted(...)
  local words = { "exec", process.quote(runner) }
  for _, word in ipairs { ... } do
    words[#words + 1] = process.quote(word)
  end
  return table.concat(words, " ")
end

local function run(...)
  return process.run(quoted(...))
end

local function script(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  finally(function()
    os.remove(path)
  end)
  return path
end

describe("the runner's options", function()
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

describe("a script", function()
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
    local absolute = runner:sub(1, 1) == "/" and process.quote(runner) or "$OLDPWD/" .. runner
    local code, out = process.run("cd /; exec " .. absolute
      .. " -e 'print(require \"asocket\" ~= nil)'")
    assert.equal(0, code)
    assert.equal("true\n", out)
  end)
end)

describe("a program that cannot go on", function()
  it("says where each task waits and ends with 1", function()
    local path = script("local atools = require 'atools'\n"
      .. "local ch = atools.channel()\nch:receive()\n")
    local code, _, err = run(path)
    assert.equal(1, code)
    assert.is_truthy(err:find("nothing can wake", 1, true), err)
    assert.is_truthy(err:find(path .. ":3:", 1, true), err)
  end)
end)

describe("--listen", function()
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

describe("the prompt", function()
  local function prompt(input)
    local code, out, err = process.run(quoted("-i"), { input = input })
    return out:gsub("^atools[^\n]*\n", ""), err, code
  end

  it("shows the values of expressions", function()
    local out, err, code = prompt("1 + 1, 'two'\n=3\n")
    assert.equal("> 2\ttwo\n> 3\n> \n", out)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("asks for more lines", function()
    local out = prompt("for i = 1, 2 do\nprint(i)\nend\n")
    assert.equal("> >> >> 1\n2\n> \n", out)
  end)

  it("shows errors and goes on", function()
    local out, err = prompt("error 'broken'\nx = = 1\nprint 'on'\n")
    assert.matches("on\n", out)
    assert.matches("stdin:1: broken\nstack traceback:", err)
    assert.matches("unexpected symbol near '='", err)
  end)

  it("runs each line in a task that may wait, while the loop goes on", function()
    local out = prompt("atools = require 'atools'\nn = 0\n"
      .. "t = atools.every(0.001, function() n = n + 1 end)\natools.sleep(0.05)\nn > 3\n")
    assert.matches("> true\n", out)
  end)

  it("ends with the input although something is still open", function()
    local _, _, code = prompt("l = require('asocket').listen('127.0.0.1:0', {})\n")
    assert.equal(0, code)
  end)
end)

describe("a signal to end", function()
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
