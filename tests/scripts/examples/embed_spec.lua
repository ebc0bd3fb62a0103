-- SPDX-License-Identifier: MIT
-- The C host of scripts/examples/embed, built by its own Makefile and used.

local asocket = require "asocket"
local atools = require "atools"
local process = require "tests.support.process"

local build = os.getenv("ATOOLS_BUILD") or "$PWD/build"

describe("the embedding example", function()
  local base = os.tmpname()
  local host = base .. ".host"

  setup(function()
    local code, out, err = process.run(
      ("unset MAKEFLAGS MFLAGS; exec make -s -C scripts/examples/embed BUILD=%s OUT=%s"):format(
        build, host))
    assert.equal(0, code, out .. err)
  end)

  teardown(function()
    os.remove(host)
    os.remove(base)
  end)

  for _, backend in ipairs { "epoll", "poll", "select" } do
    describe("on " .. backend, function()
      local child, shouting, scripted

      before_each(function()
        os.remove(base .. ".in")
        -- its input is a pipe that stays open until the test closes it
        assert(os.execute(("mkfifo %s.in"):format(base)))
        local command = "export BACKEND=%s; exec %s 127.0.0.1:0 127.0.0.1:0 %s <>%s.in"
        child = process.start(command:format(
          backend, host, "scripts/examples/embed/handlers.lua", base))
        shouting, scripted = child:expect("listening on (%S+)\nlistening on (%S+)\n")
      end)

      after_each(function()
        child:kill("KILL")
        child:wait()
        os.remove(base .. ".in")
      end)

      it("serves with C callbacks", function()
        local conn <close> = assert(asocket.connect(shouting))
        conn:write("louder")
        assert.equal("LOUDER", conn:read(6))
      end)

      it("runs Lua handlers whose host functions wait without blocking", function()
        local slow <close> = assert(asocket.connect(scripted))
        local quick <close> = assert(asocket.connect(scripted))
        slow:write("after 0.5\n")
        atools.sleep(0.05)
        local start = atools.now()
        quick:write("primes 1000\n")
        assert.equal("168 primes below 1000", quick:read())
        assert.is_true(atools.now() - start < 0.4)
        assert.equal("waited 0.5 s", slow:read())
      end)

      it("forgets what nobody waits for any more", function()
        local conn = assert(asocket.connect(scripted))
        conn:write("primes 300000\n")
        atools.sleep(0.05)
        conn:abort()
        local again <close> = assert(asocket.connect(scripted))
        again:write("after 0\n")
        assert.equal("waited 0 s", again:read())
        assert.is_false(child:ended())
      end)
    end)
  end

  it("ends with its input", function()
    local code, _, err = process.run(("exec %s 127.0.0.1:0 127.0.0.1:0 %s"):format(
      host, "scripts/examples/embed/handlers.lua"))
    assert.equal(0, code, err)
    assert.equal("", err)
  end)
end)
