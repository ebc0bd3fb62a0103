-- SPDX-License-Identifier: MIT
-- Handlers: their order, waiting in them, ending under them.

local atools = require "atools"
local sockets = require "tests.support.sockets"

describe("handlers", function()
  local listener, box

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  before_each(function()
    box = sockets.mailbox()
  end)

  -- A server with these handlers, and a client of it.
  local function start(handlers)
    listener = sockets.listen(handlers)
    return sockets.connect(listener)
  end

  -- Puts each call of the handlers named into the box.
  local function recording(handlers, ...)
    for _, name in ipairs { ... } do
      local handler = handlers[name]
      handlers[name] = function(conn, ...)
        box:post(name, ...)
        if handler then
          return handler(conn, ...)
        end
      end
    end
    return handlers
  end

  it("are called in order, on_close last", function()
    local client <close> =
      start(recording({ frame = { fixed = 4 } }, "on_open", "on_data", "on_close"))
    assert.same({ "on_open" }, { box:take() })
    client:write("some")
    assert.same({ "on_data", "some" }, { box:take() })
    client:shutdown()
    assert.same({ "on_close", "closed by peer", "EOF" }, { box:take() })
    assert.is_nil((client:read()))
    assert.is_true(box:empty())
  end)

  it("get the same object each time, with its fields", function()
    local client <close> = start {
      frame = { fixed = 3 },
      on_open = function(conn)
        conn.count = 0
        conn.me = conn
      end,
      on_data = function(conn, bytes)
        assert(conn.me == conn)
        conn.count = conn.count + #bytes
        conn:write(conn.count, "\n")
      end,
    }
    client:write("abc")
    assert.equal("3", client:read())
    client:write("def")
    assert.equal("6", client:read())
  end)

  it("tell a local close by nil", function()
    local client <close> = start(recording({
      on_data = function(conn)
        conn:write("bye")
        conn:close()
        conn:close()
      end,
    }, "on_close"))
    client:write("x")
    assert.equal("bye", client:read("a"))
    local name, message, code = box:take()
    assert.same({ "on_close" }, { name, message, code })
  end)

  it("tell a reset with its reason", function()
    local client <close> = start(recording({ on_data = print }, "on_open", "on_close"))
    assert.same({ "on_open" }, { box:take() })
    client:abort()
    assert.same({ "on_close", "connection reset by peer", "ECONNRESET" }, { box:take() })
  end)

  it("leave a half-closed peer to on_end", function()
    local client <close> = start(recording({
      on_data = function() end,
      on_end = function(conn)
        conn:write("still here")
        conn:close()
      end,
    }, "on_end", "on_close"))
    client:shutdown()
    assert.same({ "on_end" }, { box:take() })
    assert.equal("still here", client:read("a"))
    local name, message = box:take()
    assert.equal("on_close", name)
    assert.is_nil(message)
  end)

  it("close by themselves once both sides have shut down", function()
    local client <close> = start(recording({
      on_data = function() end,
      on_end = function(conn)
        conn:write("last")
        conn:shutdown()
      end,
    }, "on_close"))
    client:shutdown()
    assert.equal("last", client:read("a"))
    assert.same({ "on_close", "closed by peer", "EOF" }, { box:take() })
  end)

  it("are told of the end after all data, flushed before closing", function()
    local noise = sockets.noise(sockets.amount(2 << 20), 4)
    local client <close> = start {
      on_data = function(conn, bytes)
        conn:write(bytes)
      end,
    }
    local task = atools.spawn(function()
      client:write(noise)
      client:shutdown()
    end)
    assert.is_true(client:read("a") == noise)
    assert.is_true(task:join(sockets.soon))
  end)

  it("may wait; the connection's next ones wait for them", function()
    local busy = 0
    local client <close> = start {
      frame = "line",
      on_data = function(conn, line)
        busy = busy + 1
        assert(busy == 1)
        atools.sleep(0.001)
        conn:write(line, "\n")
        busy = busy - 1
      end,
    }
    for i = 1, 20 do
      client:write(i, "\n")
    end
    for i = 1, 20 do
      assert.equal(tostring(i), client:read())
    end
  end)

  it("of other connections go on meanwhile", function()
    local gate = atools.channel()
    local first <close> = start {
      frame = "line",
      on_data = function(conn, line)
        if line == "wait" then
          gate:receive()
        end
        conn:write("did ", line, "\n")
      end,
    }
    local second <close> = sockets.connect(listener)
    first:write("wait\n")
    second:write("go\n")
    assert.equal("did go", second:read())
    gate:send(true)
    assert.equal("did wait", first:read())
  end)

  it("may read their own connection", function()
    local client <close> = start {
      on_data = function(conn, bytes)
        local more = assert(conn:read(5))
        local line = assert(conn:read())
        conn:write(bytes, "|", more, "|", line)
      end,
    }
    client:write("a")
    client:flush()
    atools.sleep(0.005)
    client:write("12345li")
    client:flush()
    atools.sleep(0)
    client:write("ne\nb")
    assert.equal("a|12345|line", client:read(12))
    client:write("67890\n")
    assert.equal("b|67890|", client:read(8))
  end)

  it("keep everybody else from reading", function()
    local conn
    local client <close> = start(recording({
      on_open = function(c)
        conn = c
      end,
      on_data = function() end,
    }, "on_open"))
    box:take()
    for _, method in ipairs { "read", "read_some", "read_frame" } do
      assert.error_matches(function()
        conn[method](conn)
      end, "only its running handler may read")
    end
    assert.error_matches(function()
      conn:pipe(client)
    end, "only its running handler may read")
  end)

  it("without on_data leave reading to tasks", function()
    local client <close> = start(recording({
      on_open = function(conn)
        for line in conn:lines() do
          conn:write("<", line, ">\n")
        end
        conn:close()
      end,
    }, "on_close"))
    client:write("one\ntwo\n")
    assert.equal("<one>", client:read())
    assert.equal("<two>", client:read())
    client:shutdown()
    assert.equal("", client:read("a"))
    assert.equal("on_close", (box:take()))
  end)

  it("see the end without on_data too, when they have on_end", function()
    local client <close> = start(recording({
      on_open = function(conn)
        conn:read("a")
      end,
      on_end = function(conn)
        conn:close()
      end,
    }, "on_end", "on_close"))
    client:shutdown()
    assert.equal("on_end", (box:take()))
    assert.equal("on_close", (box:take()))
  end)

  it("hear of room in the queue", function()
    local client <close> = start(recording({
      high = 100000,
      low = 1000,
      on_data = function(conn)
        while conn:queued() <= 100000 do
          conn:enqueue(("x"):rep(50000))
          atools.sleep(0)
        end
        conn.total = conn:stats().bytes_out + conn:queued()
        box:post("total", conn.total)
      end,
      on_drain = function(conn)
        box:post("queued", conn:queued())
        conn:close()
      end,
    }, "on_close"))
    client:write("x")
    local _, total = box:take()
    assert.equal(total, #client:read(total))
    local name, queued = box:take()
    assert.equal("queued", name)
    assert.is_true(queued <= 1000)
    assert.equal("on_close", (box:take()))
  end)

  it("hear of room only after the handler at work", function()
    local gate = atools.channel()
    local client <close> = start(recording({
      high = 1000,
      low = 10,
      on_data = function(conn)
        while conn:queued() <= 1000 do
          conn:enqueue(("x"):rep(10000))
          atools.sleep(0)
        end
        box:post(conn:stats().bytes_out + conn:queued())
        gate:receive()
        box:post("handler done")
      end,
    }, "on_drain"))
    client:write("x")
    local total = box:take()
    client:read(total)
    atools.sleep(0.01)
    assert.is_true(box:empty())
    gate:send(true)
    assert.equal("handler done", (box:take()))
    assert.equal("on_drain", (box:take()))
  end)

  it("that wait have on_close wait for them", function()
    local gate = atools.channel()
    local client <close> = start(recording({
      on_data = function()
        gate:receive()
        box:post("handler done")
      end,
    }, "on_data", "on_close"))
    client:write("x")
    assert.equal("on_data", (box:take()))
    client:abort()
    atools.sleep(0.01)
    assert.is_true(box:empty())
    gate:send(true)
    assert.equal("handler done", (box:take()))
    assert.same({ "on_close", "connection reset by peer", "ECONNRESET" }, { box:take() })
  end)

  it("may wait in on_close", function()
    local client <close> = start {
      on_data = function(conn)
        conn:close()
      end,
      on_close = function(conn)
        atools.sleep(0.001)
        box:post("closed", conn:is_open(), (conn:peer_address()))
      end,
    }
    client:write("x")
    assert.same({ "closed", false, "127.0.0.1" }, { box:take() })
  end)

  it("are not called after a local close, but for on_close", function()
    local client <close> = start(recording({
      frame = "line",
      on_data = function(conn)
        conn:close()
      end,
    }, "on_data", "on_end", "on_drain", "on_close"))
    client:write("one\ntwo\nthree\n")
    client:shutdown()
    assert.same({ "on_data", "one" }, { box:take() })
    assert.equal("on_close", (box:take()))
    client:read("a")
    assert.is_true(box:empty())
  end)

  it("get the rest of a chunk after they were exchanged", function()
    local client <close> = start {
      frame = "line",
      on_data = function(conn, line)
        box:post("first", line)
        conn:set_handlers {
          on_data = function(_, other)
            box:post("second", other)
          end,
        }
      end,
    }
    client:write("one\ntwo\nthree\n")
    assert.same({ "first", "one" }, { box:take() })
    assert.same({ "second", "two" }, { box:take() })
    assert.same({ "second", "three" }, { box:take() })
  end)

  it("that pause, fail or change the framing do so before the next frame", function()
    local client <close> = start(recording({
      frame = "line",
      on_error = function() end,
      on_data = function(conn, line)
        if line == "pause" then
          conn:pause()
          atools.after(0.01, conn.resume, conn)
          box:post "paused"
        elseif line == "fixed" then
          conn:set_frame { fixed = 2 }
        elseif line == "fa" then
          error "on purpose"
        end
      end,
    }, "on_data", "on_close"))
    client:write("pause\nafter\nfixed\n12fail!")
    assert.same({ "on_data", "pause" }, { box:take() })
    assert.same({ "paused" }, { box:take() })
    assert.same({ "on_data", "after" }, { box:take() })
    assert.same({ "on_data", "fixed" }, { box:take() })
    assert.same({ "on_data", "12" }, { box:take() })
    assert.same({ "on_data", "fa" }, { box:take() })
    assert.same({ "on_close", "a handler raised an error", "ESCRIPT" }, { box:take() })
  end)

  it("can be given to a connection of tasks, and taken away", function()
    listener = sockets.listen()
    local client <close> = sockets.connect(listener)
    local server <close> = listener:accept(sockets.soon)
    client:write("hello\nworld\n")
    assert.equal("hello", server:read())
    assert.is_true(server:set_handlers(recording({ frame = "line" }, "on_data", "on_close")))
    assert.same({ "on_data", "world" }, { box:take() })
    assert.error_matches(function()
      server:read()
    end, "only its running handler may read")
    assert.is_true(server:set_handlers(recording({}, "on_close")))
    client:write("again\n")
    assert.equal("again", server:read())
    server:close()
    assert.equal("on_close", (box:take()))
    assert.same({ nil, "closed", "ECLOSED" }, { server:set_handlers {} })
  end)

  it("cannot be given to a connection that a task is reading", function()
    listener = sockets.listen()
    local client <close> = sockets.connect(listener)
    local server <close> = listener:accept(sockets.soon)
    local task = atools.spawn(function()
      return server:read()
    end)
    atools.sleep(0)
    assert.error_matches(function()
      server:set_handlers { on_data = print }
    end, "a task is reading this connection")
    client:write("x\n")
    assert.same({ true, "x" }, { task:join(sockets.soon) })
  end)

  it("pause and resume their input", function()
    local client <close> = start(recording({
      frame = { fixed = 4 },
      on_open = function(conn)
        conn:pause()
        listener.conn = conn
      end,
    }, "on_open", "on_data"))
    assert.equal("on_open", (box:take()))
    client:write("data")
    client:flush()
    atools.sleep(0.01)
    assert.is_true(box:empty())
    listener.conn:resume()
    assert.same({ "on_data", "data" }, { box:take() })
  end)

  it("time out with their connection when it is idle", function()
    local client <close> = start(recording({ idle_timeout = 0.03 }, "on_data", "on_close"))
    client:write("x")
    assert.equal("on_data", (box:take()))
    local name, message, code = box:take()
    assert.same({ "on_close", "ETIMEDOUT" }, { name, code })
    assert.matches("idle timeout", message)
  end)

  it("at work do not count as idle", function()
    local client <close> = start(recording({
      idle_timeout = 0.03,
      on_data = function(conn)
        atools.sleep(0.1)
        conn:write("done")
      end,
    }, "on_close"))
    client:write("x")
    assert.equal("done", client:read(4))
    assert.equal("on_close", (box:take()))
  end)
end)
