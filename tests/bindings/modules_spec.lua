-- SPDX-License-Identifier: MIT
-- How the modules get into a Lua state: the runner, the stock interpreter, one
-- copy only.

local process = require "tests.support.process"
local stock = require("tests.support.runner").stock

local runner = process.quote(os.getenv("ATOOLS_LUA") or "build/atools-lua")
local build = os.getenv("ATOOLS_BUILD") or "build"
local native = build .. "/lua/atools/native.so"

local function in_runner(code)
  return process.run("exec " .. runner .. " -e " .. process.quote(code))
end

describe("the stock interpreter", function()
  it("loads the modules in either order", function()
    for _, code in ipairs {
      "local a, s = require 'atools', require 'asocket' print(type(a.run), type(s.listen))",
      "local s, a = require 'asocket', require 'atools' print(type(a.run), type(s.listen))",
    } do
      local status, out, err = stock(code)
      assert.equal(0, status, err)
      assert.equal("function\tfunction\n", out)
    end
  end)

  it("gets the same module whichever way it asks", function()
    local status, out = stock([[
      local first = require "atools"
      require "asocket"
      require "atools.native"
      print(require "atools" == first, package.loaded.atools == first)]])
    assert.equal(0, status)
    assert.equal("true\ttrue\n", out)
  end)

  it("runs tasks and sockets", function()
    local status, out, err = stock([[
      local atools, asocket = require "atools", require "asocket"
      atools.run(function()
        local l <close> = assert(asocket.listen("127.0.0.1:0", {
          on_data = function(conn, s) conn:write(s) end }))
        local conn <close> = assert(asocket.connect(asocket.address(l:local_address())))
        conn:write("echo")
        print(conn:read(4))
      end)]])
    assert.equal(0, status, err)
    assert.equal("echo\n", out)
  end)

  it("sets no globals but the replaced functions", function()
    local _, out = stock([[
      local before = {} for k in pairs(_G) do before[k] = true end
      require "asocket" require "atools"
      for k in pairs(_G) do if not before[k] then print(k) end end]])
    assert.equal("", out)
  end)
end)

describe("a program that forgets to close its connection", function()
  local forgetful = [[
    local asocket = require "asocket"
    local l = assert(asocket.listen("127.0.0.1:0", {
      on_data = function(conn, s) conn:write(s) end }))
    local conn = assert(asocket.connect(asocket.address(l:local_address())))
    conn:write("echo")
    print(conn:read(4))
    l:close()]]

  it("ends all the same", function()
    local status, out, err = in_runner(forgetful)
    assert.equal(0, status, err)
    assert.equal("echo\n", out)
    status, out, err = stock("require 'atools'.run(function() " .. forgetful .. " end)")
    assert.equal(0, status, err)
    assert.equal("echo\n", out)
  end)
end)

describe("a second copy of the library", function()
  it("is refused by the runner, naming both", function()
    local open = "assert(package.loadlib('%s', 'luaopen_atools_native'))"
    local _, out = in_runner(("print(pcall(%s))"):format(open:format(native)))
    assert.matches("^false", out)
    assert.is_truthy(out:find("atools-lua", 1, true), out)
    assert.is_truthy(out:find(native, 1, true), out)
    assert.matches("second copy", out)
  end)

  it("is refused by the stock interpreter, naming both", function()
    local copy = os.tmpname()
    finally(function()
      os.remove(copy)
    end)
    assert(os.execute(("cp %s %s"):format(native, copy)))
    local status, out, err = stock(("require 'atools'\n"
      .. "print(pcall(assert(package.loadlib('%s', 'luaopen_atools_native'))))"):format(copy))
    assert.equal(0, status, err)
    assert.matches("^false", out)
    assert.is_truthy(out:find(copy, 1, true), out)
    assert.is_truthy(out:find(native, 1, true), out)
  end)

  it("is not what the runner itself holds", function()
    local status, out, err = in_runner("print(require 'atools.native')")
    assert.equal(0, status, err)
    assert.matches("^true", out)
  end)
end)
