-- SPDX-License-Identifier: MIT
-- Listeners and serve.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("a listener", function()
  local listener

  sockets.leave_nothing(before_each, after_each, function()
    if listener then
      listener:close()
    end
    listener = nil
  end)

  it("knows its address, also when it is closed", function()
    listener = sockets.listen()
    local host, port, family = listener:local_address()
    assert.equal("127.0.0.1", host)
    assert.is_true(port > 0)
    assert.equal("ipv4", family)
    assert.matches("^asocket.listener %(127%.0%.0%.1:%d+, open%)$", tostring(listener))
    listener:close()
    listener:close()
    assert.same({ host, port, family }, { listener:local_address() })
    assert.matches("closed%)$", tostring(listener))
  end)

  it("takes addresses in several forms", function()
    for address, family in pairs {
      ["127.0.0.1:0"] = "ipv4",
      ["localhost:0"] = false,
      [":0"] = false,
      [{ host = "127.0.0.1", port = 0 }] = "ipv4",
    } do
      local l <close> = assert(asocket.listen(address))
      assert.is_true(not family or select(3, l:local_address()) == family)
    end
  end)

  it("says what is wrong with an address", function()
    for _, wrong in ipairs {
      "127.0.0.1", "127.0.0.1:65536", "host:port", "", { host = "x" }, 5.5,
    } do
      assert.error(function()
        asocket.listen(wrong)
      end)
    end
    assert.error_matches(function()
      asocket.listen({ host = "x", port = 1, path = "y" })
    end, 'unknown address option "path"')
  end)

  it("says that somebody listens there already", function()
    listener = sockets.listen()
    local second, message, code = asocket.listen(sockets.address(listener))
    assert.is_nil(second)
    assert.equal("EADDRINUSE", code)
    assert.matches("127%.0%.0%.1:%d+.*already", message)
  end)

  it("shares its port when both say so", function()
    listener = sockets.listen { reuse_port = true, on_data = print }
    local second <close> =
      assert(asocket.listen(sockets.address(listener), { reuse_port = true, on_data = print }))
    assert.equal(select(2, listener:local_address()), select(2, second:local_address()))
  end)

  it("hands connections to tasks that accept", function()
    listener = sockets.listen()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = atools.spawn(function()
        local conn <close> = assert(listener:accept())
        conn:write("number ", i, "\n")
      end)
    end
    for i = 1, 3 do
      local client <close> = sockets.connect(listener)
      assert.equal("number " .. i, client:read())
    end
    for i = 1, 3 do
      assert.is_true(tasks[i]:join(sockets.soon))
    end
  end)

  it("leaves clients in the kernel's queue until somebody accepts", function()
    listener = sockets.listen()
    local first <close> = sockets.connect(listener)
    local second <close> = sockets.connect(listener)
    first:write("1")
    second:write("2")
    atools.sleep(0)
    assert.equal(0, listener:connections())
    local a <close> = assert(listener:accept())
    assert.equal("1", a:read(1))
    assert.equal(1, listener:connections())
    local b <close> = assert(listener:accept(sockets.soon))
    assert.equal("2", b:read(1))
    assert.equal(2, listener:stats().accepted)
  end)

  it("stops waiting to accept after a while, loses nobody", function()
    listener = sockets.listen()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { listener:accept(0.01) })
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { listener:accept(0) })
    local task = atools.spawn(function()
      listener:accept()
    end)
    atools.sleep(0)
    task:cancel()
    task:join()
    local client <close> = sockets.connect(listener)
    client:write("x")
    local server <close> = assert(listener:accept(sockets.soon))
    assert.equal("x", server:read(1))
  end)

  it("gives accepted connections its options", function()
    listener = sockets.listen { frame = { fixed = 3 }, max_read = 5, high = 7 }
    local client <close> = sockets.connect(listener)
    local server <close> = assert(listener:accept(sockets.soon))
    client:write("abcdef")
    assert.equal("abc", server:read_frame())
    assert.error_matches(function()
      server:read(6)
    end, "max_read is 5")
    while server:queued() < 7 do
      server:enqueue(("x"):rep(10000))
      atools.sleep(0)
    end
    server:set_timeout(0.01)
    assert.equal("ETIMEDOUT", select(3, server:write("x")))
    server:abort()
  end)

  it("wakes those who accept when it is closed", function()
    listener = sockets.listen()
    local task = atools.spawn(function()
      return listener:accept()
    end)
    atools.sleep(0)
    listener:close()
    assert.same({ true, nil, "closed", "ECLOSED" }, { task:join(sockets.soon) })
    assert.same({ nil, "closed", "ECLOSED" }, { listener:accept() })
    assert.same({ nil, "closed", "ECLOSED" }, { listener:set_handlers {} })
  end)

  it("accepts only for tasks when it has no handlers", function()
    listener = sockets.listen { on_data = print }
    assert.error_matches(function()
      listener:accept()
    end, "without handlers")
  end)

  it("is outlived by its connections, and counts them", function()
    listener = sockets.listen {
      on_data = function(conn, bytes)
        conn:write(bytes)
      end,
    }
    local a <close> = sockets.connect(listener)
    local b <close> = sockets.connect(listener)
    a:write("1")
    b:write("2")
    assert.equal("1", a:read(1))
    assert.equal("2", b:read(1))
    assert.equal(2, listener:connections())
    listener:close()
    atools.sleep(0)
    assert.equal(2, listener:connections())
    a:write("3")
    assert.equal("3", a:read(1))
    a:close()
    while listener:connections() == 2 do
      atools.sleep(0.001)
    end
    assert.equal(1, listener:stats().connections)
    assert.equal(2, listener:stats().accepted)
    assert.equal("ECONNREFUSED", select(3, asocket.connect(sockets.address(listener))))
  end)

  it("pauses and resumes", function()
    local box = sockets.mailbox()
    listener = sockets.listen {
      on_open = function()
        box:post("open")
      end,
      on_data = print,
    }
    listener:pause()
    assert.is_true(listener:stats().paused)
    local client <close> = sockets.connect(listener)
    atools.sleep(0.01)
    assert.is_true(box:empty())
    listener:resume()
    assert.equal("open", (box:take()))
    assert.is_false(listener:stats().paused)
    assert.is_true(client:is_open())
  end)

  it("holds to max_connections", function()
    listener = sockets.listen {
      max_connections = 2,
      on_open = function(conn)
        conn:write("in\n")
      end,
      on_data = print,
    }
    local a <close> = sockets.connect(listener)
    local b <close> = sockets.connect(listener)
    local c <close> = sockets.connect(listener)
    assert.equal("in", a:read())
    assert.equal("in", b:read())
    c:set_timeout(0.02)
    assert.equal("ETIMEDOUT", select(3, c:read()))
    a:close()
    c:set_timeout(sockets.soon)
    assert.equal("in", c:read())
  end)

  it("refuses at max_connections when told to", function()
    listener = sockets.listen { max_connections = 1, on_full = "refuse", on_data = print }
    local a <close> = sockets.connect(listener)
    while listener:connections() == 0 do
      atools.sleep(0)
    end
    local b <close> = sockets.connect(listener)
    assert.is_nil((b:read()))
    assert.equal(1, listener:stats().refused)
    assert.is_true(a:is_open())
  end)

  it("exchanges handlers for old and new connections", function()
    listener = sockets.listen {
      frame = "line",
      on_data = function(conn, line)
        conn:write("old ", line, "\n")
      end,
    }
    local a <close> = sockets.connect(listener)
    a:write("1\n")
    assert.equal("old 1", a:read())
    assert.is_true(listener:set_handlers {
      frame = { fixed = 2 },
      on_data = function(conn, bytes)
        conn:write("new ", bytes, "\n")
      end,
    })
    a:write("2\n")
    assert.equal("new 2", a:read())
    local b <close> = sockets.connect(listener)
    b:write("3344")
    assert.equal("new 33", b:read())
    assert.equal("new 44", b:read())
    assert.error_matches(function()
      listener:set_handlers { on_open = print }
    end, "on_data must be in both tables or in neither")
    assert.error_matches(function()
      listener:set_handlers { on_dat = print }
    end, 'unknown listen option "on_dat"')
  end)

  it("takes fields, but not for methods", function()
    listener = sockets.listen()
    listener.name = "mine"
    listener.close_me = true
    assert.equal("mine", listener.name)
    assert.error_matches(function()
      listener.close = nil
    end, '"close" is a method')
  end)

  it("knows its options, and says which it knows", function()
    for _, wrong in ipairs {
      { { on_dta = print }, 'unknown listen option "on_dta" %(known: on_open, on_data' },
      { { [1] = "x" }, 'unknown listen option "1"' },
      { { on_data = "print" }, '"on_data" must be a function' },
      { { backlog = -1 }, '"backlog" must be an integer of at least 0' },
      { { max_connections = 1.5 }, '"max_connections" must be an integer' },
      { { max_connections = true }, "or false for no limit" },
      { { idle_timeout = -1 }, '"idle_timeout" must be seconds' },
      { { idle_timeout = 0 / 0 }, '"idle_timeout" must be seconds' },
      { { on_full = "panic" }, 'must be one of "wait", "refuse"' },
      { { buffers = 1 }, '"buffers" must be a boolean' },
      { { tls = {} }, "TLS is not built in" },
      { { timeout = 1 }, 'unknown listen option "timeout"' },
      { 5, "table expected" },
    } do
      assert.error_matches(function()
        asocket.listen("127.0.0.1:0", wrong[1])
      end, wrong[2])
    end
    listener = sockets.listen {
      max_connections = 1e5,
      backlog = 100,
      idle_timeout = false,
      write_stall = false,
      linger = 1,
      high = false,
      low = 0,
      cap = false,
      max_frame = false,
      nodelay = false,
      keepalive = false,
      v6only = false,
      tls = false,
    }
  end)
end)

describe("serve", function()
  local listener

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  it("runs a task for each connection and closes it at its end", function()
    listener = sockets.serve(function(conn)
      for line in conn:lines() do
        conn:write("<", line, ">\n")
      end
    end)
    local a <close> = sockets.connect(listener)
    local b <close> = sockets.connect(listener)
    a:write("one\n")
    b:write("two\n")
    assert.equal("<two>", b:read())
    assert.equal("<one>", a:read())
    a:shutdown()
    assert.equal("", a:read("a"))
    b:write("still\n")
    assert.equal("<still>", b:read())
  end)

  it("closes when the function returns at once", function()
    listener = sockets.serve(function(conn)
      conn:write("hello")
    end)
    local client <close> = sockets.connect(listener)
    assert.equal("hello", client:read("a"))
  end)

  it("takes options", function()
    listener = sockets.serve({ frame = "netstring", max_connections = 10 }, function(conn)
      conn:write_frame(conn:read_frame():upper())
    end)
    local client <close> = sockets.connect(listener)
    client:write("5:hello,")
    assert.equal("5:HELLO,", client:read("a"))
    for _, wrong in ipairs {
      { { on_data = print }, print, 'unknown serve option "on_data"' },
      { {}, nil, "function expected" },
      { nil, nil, "function expected" },
    } do
      assert.error_matches(function()
        asocket.serve("127.0.0.1:0", wrong[1], wrong[2])
      end, wrong[3])
    end
  end)

  it("lets other tasks read and write the connection", function()
    listener = sockets.serve(function(conn)
      local reader = atools.spawn(function()
        return conn:read()
      end)
      local _, line = reader:join()
      conn:write("got ", line)
    end)
    local client <close> = sockets.connect(listener)
    client:write("it\n")
    assert.equal("got it", client:read("a"))
  end)

  it("is quiet about peers that leave, and counts them", function()
    local box = sockets.mailbox()
    local before = atools.stats().network_errors
    local lines = sockets.logged(function()
      listener = sockets.serve(function(conn)
        local _ <close> = setmetatable({}, {
          __close = function()
            box:post("left")
          end,
        })
        conn:write("hi\n")
        for _ in conn:lines(5) do -- luacheck: ignore
        end
      end)
      local client <close> = sockets.connect(listener)
      assert.equal("hi", client:read())
      client:write("abc")
      client:flush()
      client:abort()
      box:take()
      local long <close> = sockets.connect(listener)
      assert.equal("hi", long:read())
      long:write("12345678")
      long:shutdown() -- in the middle of five bytes
      box:take()
    end)
    assert.same({}, lines)
    assert.equal(before + 2, atools.stats().network_errors)
  end)

  it("reports other errors and goes on", function()
    local client_error
    listener = sockets.serve({
      on_error = function(_, err)
        client_error = err
      end,
    }, function(conn)
      local line = conn:read()
      if line == "fail" then
        error("told to", 0)
      end
      conn:write(line)
    end)
    local a <close> = sockets.connect(listener)
    a:write("fail\n")
    assert.equal("", a:read("a"))
    assert.equal("told to", client_error)
    local b <close> = sockets.connect(listener)
    b:write("fine\n")
    assert.equal("fine", b:read("a"))
  end)

  it("may be slow with one and quick with others", function()
    listener = sockets.serve(function(conn)
      if conn:read() == "slow" then
        atools.sleep(30)
      end
      conn:write("done")
    end)
    local slow <close> = sockets.connect(listener)
    slow:write("slow\n")
    for _ = 1, 10 do
      local quick <close> = sockets.connect(listener)
      quick:write("quick\n")
      assert.equal("done", quick:read("a"))
    end
    for _, entry in ipairs(atools.tasks()) do
      if entry.waits == "sleep" and entry.kind == "asocket.connection" then
        entry.task:cancel()
      end
    end
    assert.equal("", slow:read("a"))
  end)
end)
