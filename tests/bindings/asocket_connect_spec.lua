-- SPDX-License-Identifier: MIT
-- Connections made here: by connect, pair, adopt.

local atools = require "atools"
local asocket = require "asocket"
local process = require "tests.support.process"
local runner = require "tests.support.runner"
local sockets = require "tests.support.sockets"

-- An address nobody listens on.
local function deserted()
  local listener = sockets.listen()
  local address = sockets.address(listener)
  listener:close()
  atools.sleep(0)
  return address
end

-- An address that answers nothing: a listener whose queue is full.
local function silent()
  local listener = sockets.listen { backlog = 1 }
  local address = sockets.address(listener)
  local filling = {}
  for i = 1, 4 do
    filling[i] = atools.spawn(function()
      local conn <close> = asocket.connect(address, { timeout = false })
      atools.sleep(60)
      return conn
    end)
  end
  atools.sleep(0.05)
  return address, function()
    for _, task in ipairs(filling) do
      task:cancel()
      task:join()
    end
    listener:close()
  end
end

describe("connect", function()
  sockets.leave_nothing(before_each, after_each)

  it("waits and gives a connection that knows both addresses", function()
    local listener <close> = sockets.listen()
    local conn <close> = sockets.connect(listener)
    local host, port, family = conn:peer_address()
    assert.same({ listener:local_address() }, { host, port, family })
    local server <close> = listener:accept(sockets.soon)
    assert.same({ conn:local_address() }, { server:peer_address() })
    assert.is_true(conn:is_open())
    assert.equal(("asocket.connection (%s, open)"):format(sockets.address(listener)),
      tostring(conn))
  end)

  it("takes names and tables", function()
    local listener <close> = assert(asocket.listen("localhost:0"))
    local _, port = listener:local_address()
    local a <close> = assert(asocket.connect("localhost:" .. port))
    local b <close> = assert(asocket.connect { host = "localhost", port = port })
    assert.is_true(a:is_open() and b:is_open())
  end)

  it("says who refused", function()
    local address = deserted()
    local conn, message, code = asocket.connect(address)
    assert.is_nil(conn)
    assert.equal(("connect to %s: connection refused"):format(address), message)
    assert.equal("ECONNREFUSED", code)
  end)

  it("says that there is no such name", function()
    local conn, message, code = asocket.connect("no-such-host.invalid:80")
    assert.is_nil(conn)
    assert.matches("no%-such%-host%.invalid", message)
    assert.is_true(code == "ENOTFOUND" or code == "EDNS", code)
  end)

  it("gives up after its timeout", function()
    local address, stop = silent()
    local before = atools.now()
    local conn, message, code = asocket.connect(address, { timeout = 0.05 })
    assert.is_nil(conn)
    assert.equal("ETIMEDOUT", code)
    assert.is_string(message)
    assert.is_true(atools.now() - before < 2)
    stop()
  end)

  it("can be cancelled, and ends with a deadline", function()
    local address, stop = silent()
    local task = atools.spawn(function()
      return asocket.connect(address, { on_close = error })
    end)
    atools.sleep(0)
    task:cancel()
    assert.equal("cancelled", select(2, task:join(sockets.soon)))
    assert.same({ nil, "timeout", "ETIMEDOUT" },
      { atools.deadline(0.02, asocket.connect, address, { on_close = error }) })
    stop()
  end)

  it("connects from the address asked for", function()
    local listener <close> = sockets.listen()
    local conn <close> = sockets.connect(listener, { bind = "127.0.0.2:0" })
    assert.equal("127.0.0.2", (conn:local_address()))
    local failed, _, code = asocket.connect(sockets.address(listener), { bind = "192.0.2.1:0" })
    assert.is_nil(failed)
    assert.equal("EADDRNOTAVAIL", code)
    assert.error_matches(function()
      asocket.connect(sockets.address(listener), { bind = "localhost:0" })
    end, "bind takes a numeric address")
  end)

  it("returns at once with handlers; writes are queued", function()
    local box = sockets.mailbox()
    local listener <close> = sockets.listen {
      on_data = function(conn, bytes)
        conn:write(bytes:upper())
      end,
    }
    local conn <close> = assert(asocket.connect(sockets.address(listener), {
      frame = { fixed = 5 },
      on_open = function(c)
        box:post("open", c)
      end,
      on_data = function(_, bytes)
        box:post("data", bytes)
      end,
      on_close = function(_, message, code)
        box:post("close", message, code)
      end,
    }))
    assert.is_false(conn:is_open())
    assert.matches("connecting", tostring(conn))
    assert.is_true(conn:write("early"))
    local event, same = box:take()
    assert.equal("open", event)
    assert.equal(conn, same)
    assert.same({ "data", "EARLY" }, { box:take() })
    conn:close()
    event = box:take()
    assert.equal("close", event)
  end)

  it("tells handlers why it failed, in on_close only", function()
    local box = sockets.mailbox()
    local address = deserted()
    local conn = assert(asocket.connect(address, {
      on_open = function()
        box:post("open")
      end,
      on_close = function(_, message, code)
        box:post("close", message, code)
      end,
    }))
    assert.same({ "close", ("connect to %s: connection refused"):format(address), "ECONNREFUSED" },
      { box:take() })
    assert.is_true(box:empty())
    assert.same({ nil, ("connect to %s: connection refused"):format(address), "ECONNREFUSED" },
      { conn:write("x") })
  end)

  it("can be closed before it opened", function()
    local box = sockets.mailbox()
    local listener <close> = sockets.listen { on_data = print }
    local conn = assert(asocket.connect(sockets.address(listener), {
      on_open = function()
        box:post("open")
      end,
      on_close = function(_, message)
        box:post("close", message)
      end,
    }))
    conn:close()
    assert.equal("close", (box:take()))
    assert.is_true(box:empty())
  end)

  it("waits with other handlers, and calls them for what it gave", function()
    local box = sockets.mailbox()
    local listener <close> = sockets.serve(function(conn)
      conn:read()
    end)
    local conn <close> = sockets.connect(listener, {
      on_close = function(_, message, code)
        box:post(message, code)
      end,
    })
    assert.is_true(conn:is_open())
    conn:write("end\n")
    assert.equal("", conn:read("a"))
    conn:close()
    assert.equal(0, select("#", box:take()) - 2)
    local failed = asocket.connect(deserted(), { on_close = function()
      box:post("never")
    end })
    assert.is_nil(failed)
    atools.sleep(0)
    assert.is_true(box:empty())
  end)

  it("cannot wait just anywhere, and says so before it begins", function()
    assert.error_matches(function()
      table.sort({ 2, 1 }, function()
        asocket.connect("127.0.0.1:1")
      end)
    end, "cannot wait here: inside .*sort")
  end)

  it("knows its options", function()
    for _, wrong in ipairs {
      { { on_dat = print }, 'unknown connect option "on_dat"' },
      { { backlog = 5 }, 'unknown connect option "backlog"' },
      { { timeout = "5" }, '"timeout" must be seconds' },
      { { tls = true }, "TLS is not built in" },
      { "x", "table expected" },
    } do
      assert.error_matches(function()
        asocket.connect("127.0.0.1:1", wrong[1])
      end, wrong[2])
    end
    assert.error_matches(function()
      asocket.connect("127.0.0.1")
    end, "bad argument #1")
    assert.error_matches(function()
      asocket.connect()
    end, "string expected")
  end)
end)

describe("pair", function()
  sockets.leave_nothing(before_each, after_each)

  it("gives both ends", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    a:write("to b\n")
    b:write("to a\n")
    assert.equal("to a", a:read())
    assert.equal("to b", b:read())
    assert.is_true(a:fd() >= 0 and a:fd() ~= other:fd())
  end)

  it("can be read before it is a turn old", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    local task = atools.spawn(function()
      return a:read()
    end)
    other:write("x\n")
    assert.same({ true, "x" }, { task:join(sockets.soon) })
  end)

  it("takes options, but no handlers", function()
    local a <close>, b = asocket.pair { frame = "line" }
    local other <close> = b
    a:write_frame("x")
    assert.equal("x", other:read_frame())
    assert.error_matches(function()
      asocket.pair { on_data = print }
    end, 'unknown pair option "on_data"')
  end)
end)

describe("adopt", function()
  sockets.leave_nothing(before_each, after_each)

  it("refuses what is no open descriptor", function()
    local conn, message, code = asocket.adopt(12345)
    assert.is_nil(conn)
    assert.equal("EBADF", code)
    assert.matches("12345", message)
    assert.error_matches(function()
      asocket.adopt(-1)
    end, "not a descriptor")
  end)

  it("reads pipes and files", function()
    local path = os.tmpname()
    finally(function()
      os.remove(path)
    end)
    local file = assert(io.open(path, "w"))
    file:write("from a file\n")
    file:close()
    local code = [[
      local asocket = require "asocket"
      local pipe <close> = assert(asocket.adopt(3))
      local file <close> = assert(asocket.adopt(4))
      print(pipe:read("a"))
      print(file:read(), file:peer_address())]]
    local status, out, err = process.run(("echo from a pipe | %s -e %s 3<&0 4<%s"):format(
      runner.path, process.quote(code), path))
    assert.equal("", err)
    assert.equal(0, status)
    assert.matches("^from a pipe\n\nfrom a file\t", out)
  end)

  it("writes pipes", function()
    local status, out = process.run(("%s -e %s 3>&1 | cat"):format(runner.path, process.quote [[
      local pipe <close> = assert(require "asocket".adopt(3))
      for i = 1, 1000 do pipe:write(i, "\n") end]]))
    assert.equal(0, status)
    assert.equal(3893, #out)
  end)

  it("takes handlers", function()
    local status, out, err = process.run(("printf 'one\\ntwo\\n' | %s -e %s 3<&0"):format(
      runner.path, process.quote [[
      assert(require "asocket".adopt(3, {
        frame = "line",
        on_open = function() print "open" end,
        on_data = function(_, line) print(line) end,
        on_close = function(_, message, code) print(message, code) end }))]]))
    assert.equal("", err)
    assert.equal(0, status)
    assert.equal("open\none\ntwo\nclosed by peer\tEOF\n", out)
  end)
end)
