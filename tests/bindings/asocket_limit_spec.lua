-- SPDX-License-Identifier: MIT
-- setMaxFiles and getMaxFiles, and what happens at the limit: probed in child
-- processes, which have limits of their own.

local asocket = require "asocket"
local process = require "tests.support.process"
local runner = require "tests.support.runner"

-- Runs code with `ulimit` arguments; its output.
local function limited(limits, code)
  local status, out, err = process.run(("ulimit %s; exec %s -e %s"):format(limits,
    process.quote(runner.path), process.quote("local asocket = require 'asocket' " .. code)))
  return out, err, status
end

describe("setMaxFiles", function()
  it("raises the soft limit and returns what was got", function()
    local out, err = limited("-Sn 256", [[
      print(asocket.getMaxFiles())
      print(asocket.setMaxFiles(300))
      print((asocket.getMaxFiles()))]])
    assert.equal("", err)
    local soft, got, now = out:match("^(%d+)\t%d+\n(%d+)\n(%d+)\n$")
    assert.same({ "256", "300", "300" }, { soft, got, now })
  end)

  it("takes the silence as a boolean or in a table", function()
    local out = limited("-Sn 256", [[
      print(asocket.setMaxFiles(301, true), asocket.setMaxFiles(302, false),
        asocket.setMaxFiles(303, { silent = true }), asocket.setMaxFiles(304, { silent = false }),
        asocket.setMaxFiles(305, {}), asocket.setMaxFiles(306, nil))]])
    assert.equal("301\t302\t303\t304\t305\t306\n", out)
  end)

  it("lowers it, but not below what is open", function()
    local out, err = limited("-Sn 300", [[
      print(asocket.setMaxFiles(280))
      local l <close> = assert(asocket.listen("127.0.0.1:0"))
      print(asocket.setMaxFiles(3))
      print(pcall(asocket.setMaxFiles, 3, false))
      print((asocket.getMaxFiles()))]])
    assert.matches("^280\n280\nfalse\t.*cannot lower the limit to 3: .*\n280\n$", out)
    assert.matches("cannot lower the limit to 3", err)
  end)

  it("goes as far as it can, and tells in the log", function()
    -- 2^30 is over what any kernel allows (fs.nr_open)
    local out, err, status = limited("-Sn 256", [[
      local got = asocket.setMaxFiles(1 << 30)
      print(got > 256, got == asocket.getMaxFiles(), got < 1 << 30)]])
    assert.equal(0, status)
    assert.equal("true\ttrue\ttrue\n", out)
    assert.matches("1073741824", err)
  end)

  it("raises what it could not do when not silent", function()
    local out = limited("-Sn 256", [[
      local ok, message = pcall(asocket.setMaxFiles, 1 << 30, { silent = false })
      print(ok, message)
      print((asocket.getMaxFiles()) > 256)]])
    local message, more = out:match("^false\t(.*)\n(%a+)\n$")
    assert.equal("true", more) -- as far as possible all the same
    assert.matches("asked for 1073741824", message)
    assert.matches("got %d+", message)
    assert.matches("hard limit", message)
  end)

  it("does not take just anything for a number", function()
    for _, wrong in ipairs { 0, -1, 1.5, 0 / 0, 1 / 0, "100", true, {} } do
      assert.error_matches(function()
        asocket.setMaxFiles(wrong)
      end, "bad argument #1")
    end
    assert.error_matches(function()
      asocket.setMaxFiles()
    end, "number expected")
    assert.error_matches(function()
      asocket.setMaxFiles(100, "quiet")
    end, "boolean expected")
    assert.error_matches(function()
      asocket.setMaxFiles(100, { quiet = true })
    end, 'unknown setMaxFiles option "quiet"')
    assert.error_matches(function()
      asocket.setMaxFiles(100, { silent = 1 })
    end, '"silent" must be a boolean')
  end)
end)

-- A server that may have few files, and 200 clients at once.
local SERVER = [[
  local atools = require "atools"
  local listener = assert(asocket.listen("127.0.0.1:0", {
    %s
    on_data = function(conn, bytes) conn:write(bytes) end,
  }))
  print((select(2, listener:local_address())))
  io.stdout:flush()
  atools.signal("SIGUSR1", function()
    local cpu = os.clock()
    print(("accepted %%d refused %%d cpu %%.2f"):format(listener:stats().accepted,
      listener:stats().refused, cpu))
    io.stdout:flush()
  end)]]

local function start_server(options)
  return process.start(("ulimit -n 64; exec %s -e %s"):format(process.quote(runner.path),
    process.quote("local asocket = require 'asocket' " .. SERVER:format(options))))
end

describe("at the limit of open files", function()
  local atools = require "atools"

  it("a server serves all, a few at a time", function()
    local child = start_server("")
    local address = "127.0.0.1:" .. child:expect("(%d+)\n")
    local served = 0
    local group <close> = atools.group()
    for i = 1, 200 do
      group:spawn(function()
        local conn <close> = atools.check(asocket.connect(address))
        atools.check(conn:write(i, "\n"))
        assert(atools.check(conn:read()) == tostring(i))
        served = served + 1
      end)
    end
    assert.same({ true }, { group:join() })
    assert.equal(200, served)
    child:kill("USR1")
    local accepted, _, cpu = child:expect("accepted (%d+) refused (%d+) cpu (%S+)")
    assert.equal(200, tonumber(accepted))
    assert.is_true(tonumber(cpu) < 2, cpu)
    child:kill("TERM")
    assert.equal(0, child:wait())
    -- says so, at most once a second
    local _, lines = child:err():gsub("limit", "")
    assert.is_true(lines >= 1 and lines <= 20, child:err())
  end)

  it("a server that refuses does it at once", function()
    local child = start_server('on_full = "refuse",')
    local address = "127.0.0.1:" .. child:expect("(%d+)\n")
    local held, refused = {}, 0
    for _ = 1, 100 do
      local conn = assert(asocket.connect(address))
      conn:set_timeout(5)
      if conn:write("x") and conn:read(1) then
        held[#held + 1] = conn
      else
        refused = refused + 1
        conn:close()
      end
    end
    assert.is_true(#held > 20 and #held < 64, #held)
    assert.equal(100 - #held, refused)
    for _, conn in ipairs(held) do -- those inside are served as before
      conn:write("y")
      assert.equal("y", conn:read(1))
      conn:close()
    end
    child:kill("TERM")
    assert.equal(0, child:wait())
  end)
end)
