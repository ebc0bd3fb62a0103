-- SPDX-License-Identifier: MIT
-- How connections live and end: closing anything from anywhere, collecting,
-- fields, what closed ones still answer.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("a connection", function()
  sockets.leave_nothing(before_each, after_each)

  it("carries fields, and keeps its methods", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    a.name = "mine"
    a.data = { 1 }
    a[1] = "one"
    a[other] = true
    assert.equal("mine", a.name)
    assert.same({ 1 }, a.data)
    assert.equal("one", a[1])
    assert.is_true(a[other])
    assert.is_nil(other.name)
    a.name = nil
    assert.is_nil(a.name)
    for _, name in ipairs { "read", "write", "close", "lines", "send_file", "pipe" } do
      assert.error_matches(function()
        a[name] = 1
      end, ('"%s" is a method'):format(name))
    end
    assert.error(function()
      a[nil] = 1
    end)
  end)

  it("answers when it is closed", function()
    local client, server = sockets.tcp_pair()
    local here, there = { client:local_address() }, { client:peer_address() }
    client.field = "kept"
    client:write("12345")
    assert.equal("12345", server:read(5))
    server:write("678")
    assert.equal("678", client:read(3))
    client:close()
    server:close()
    for _ = 1, 2 do
      assert.is_false(client:is_open())
      assert.same(here, { client:local_address() })
      assert.same(there, { client:peer_address() })
      assert.equal("kept", client.field)
      local stats = client:stats()
      assert.same({ 3, 5, 0, 0 },
        { stats.bytes_in, stats.bytes_out, stats.queued, stats.buffered })
      assert.is_true(stats.age >= 0 and stats.age < 60 and stats.idle >= 0)
      assert.equal(-1, client:fd())
      assert.equal(0, client:queued())
      assert.matches("^asocket.connection %(127%.0%.0%.1:%d+, closed%)$", tostring(client))
      client:close()
      client:abort()
      client:pause()
      client:resume()
      assert.same({ nil, "closed", "ECLOSED" }, { client:set_frame("line") })
      assert.same({ nil, "closed", "ECLOSED" }, { client:set_option("nodelay", true) })
      assert.same({ nil, "closed", "ECLOSED" }, { client:get_option("nodelay") })
      atools.sleep(0)
    end
  end)

  it("counts its age and its idle time", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    atools.sleep(0.03)
    other:write("x")
    a:read(1)
    local stats = a:stats()
    assert.is_true(stats.age >= 0.03 and stats.age < 10)
    assert.is_true(stats.idle < stats.age)
    other:write("buffered")
    assert.equal("buffered", a:peek(8))
    assert.equal("b", a:read(1))
    assert.equal(7, a:stats().buffered)
  end)

  it("has options, by name", function()
    local client, server = sockets.tcp_pair({ nodelay = false, keepalive = false })
    local held <close> = client
    local other <close> = server
    assert.is_true(held:get_option("nodelay"))
    assert.is_true(client:get_option("keepalive"))
    assert.is_false(other:get_option("nodelay"))
    assert.is_false(other:get_option("keepalive"))
    for name, value in pairs { nodelay = false, keepalive_idle = 60, keepalive_count = 5 } do
      assert.is_true(client:set_option(name, value))
      assert.equal(value, (client:get_option(name)))
    end
    assert.is_true(client:set_option("send_buffer", 65536))
    assert.is_true(client:get_option("send_buffer") >= 65536)
    for _, wrong in ipairs {
      { "no_delay", true, "nodelay" }, -- lists the known ones
      { "nodelay", 1, "boolean expected" },
      { "keepalive_idle", true, "number expected" },
    } do
      assert.error_matches(function()
        client:set_option(wrong[1], wrong[2])
      end, wrong[3])
    end
    assert.error_matches(function()
      client:get_option("speed")
    end, "nodelay")
  end)

  it("is closed by the block that holds it", function()
    local client, server = sockets.tcp_pair()
    do
      local held <close> = client
      held:write("in the block")
    end
    assert.equal("in the block", server:read("a"))
    assert.same({ nil, "closed", "ECLOSED" }, { client:read() })
    pcall(function()
      local held <close> = server
      error("leaving " .. tostring(held))
    end)
    assert.is_false(server:is_open())
  end)

  it("is closed when it is collected", function()
    local client <close>, server = sockets.tcp_pair()
    server:write("before")
    server = nil -- luacheck: ignore
    atools.sleep(0)
    collectgarbage()
    collectgarbage()
    assert.equal("before", client:read("a"))
  end)

  it("is not collected while a task waits for it, or a handler may be called", function()
    local listener <close> = sockets.listen {
      on_data = function(conn, bytes)
        conn:write(bytes)
      end,
    }
    local client <close> = sockets.connect(listener)
    for i = 1, 5 do
      collectgarbage()
      client:write(i)
      assert.equal(tostring(i), client:read(1))
    end
    local box = sockets.mailbox()
    atools.spawn(function()
      local conn = sockets.connect(listener)
      conn:write("alone")
      box:post(conn:read(5))
      conn:close()
    end)
    collectgarbage()
    collectgarbage()
    assert.equal("alone", (box:take()))
  end)

  it("may have its timeout only as seconds", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    for _, wrong in ipairs { -1, 0 / 0, "x", true, {} } do
      assert.error(function()
        a:set_timeout(wrong)
      end)
    end
    assert.error(function()
      a:set_timeout()
    end)
    other:set_timeout(1e300)
    a:set_timeout(0)
    assert.equal("ETIMEDOUT", select(3, a:read()))
  end)

  it("has methods only for itself", function()
    local a <close>, b = asocket.pair()
    local other <close> = b
    local listener <close> = sockets.listen()
    for _, wrong in ipairs { 1, "x", {}, io.stdout, listener } do
      for _, name in ipairs { "read", "write", "close", "peer_address", "stats", "set_frame" } do
        assert.error_matches(function()
          a[name](wrong)
        end, "asocket.connection expected")
      end
    end
    assert.equal("locked", getmetatable(other))
  end)

  it("does not answer a cancelled handler once its peer is gone for long", function()
    -- the patience itself is 30 s; here only: the handler is what is waited for
    local box = sockets.mailbox()
    local listener <close> = sockets.listen {
      on_data = function()
        box:post(atools.current())
        local ok = pcall(atools.sleep, 60)
        box:post("woken", ok)
      end,
      on_close = function()
        box:post("closed")
      end,
    }
    local client = sockets.connect(listener)
    client:write("x")
    local task = box:take()
    client:abort()
    atools.sleep(0.005)
    assert.is_true(box:empty())
    task:cancel("the connection is gone")
    assert.same({ "woken", false }, { box:take() })
    assert.equal("closed", (box:take()))
  end)
end)

-- Each action in each handler: nothing may crash, hang or be called twice.
describe("closing", function()
  local ACTIONS = {
    close = function(conn)
      conn:close()
    end,
    abort = function(conn)
      conn:abort()
    end,
    ["close and abort"] = function(conn)
      conn:close()
      conn:abort()
    end,
    ["write and close"] = function(conn)
      conn:write(("w"):rep(100000))
      conn:close()
      conn:write("never")
    end,
    ["close the listener"] = function(conn, listener)
      listener:close()
      conn:close()
    end,
    ["close and wait"] = function(conn)
      conn:close()
      atools.sleep(0.001)
      conn:close()
    end,
    ["wait and close"] = function(conn)
      atools.sleep(0.001)
      conn:close()
    end,
    ["read and close"] = function(conn)
      conn:set_timeout(0.01)
      conn:read(3)
      conn:close()
      conn:read(3)
    end,
    ["collect and close"] = function(conn)
      collectgarbage()
      conn:close()
      collectgarbage()
    end,
    ["exchange handlers and close"] = function(conn)
      conn:set_handlers { on_close = function() end }
      conn:close()
    end,
    ["fail"] = function()
      error "on purpose"
    end,
  }

  local listener

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  for _, handler in ipairs { "on_open", "on_data", "on_end", "on_drain", "on_close", "on_error" } do
    for action, act in pairs(ACTIONS) do
      it(("in %s: %s"):format(handler, action), function()
        local closed = 0
        local box = sockets.mailbox()
        local handlers = {
          high = 1000,
          on_data = function(conn)
            conn:enqueue(("x"):rep(sockets.plenty))
            if handler == "on_error" then
              error "to on_error"
            end
          end,
          on_end = function(conn)
            conn:close()
          end,
          on_error = function() end,
        }
        if handler ~= "on_close" then
          handlers[handler] = function(conn)
            box:post("acting")
            act(conn, listener)
          end
          handlers.on_close = function()
            closed = closed + 1
            box:post("closed")
          end
        else
          handlers.on_close = function(conn)
            closed = closed + 1
            box:post("acting")
            box:post("closed")
            act(conn, listener)
          end
        end
        listener = sockets.listen(handlers)
        local client <close> = sockets.connect(listener)
        client:set_timeout(sockets.soon)
        client:write("data")
        client:shutdown()
        repeat
          local bytes = client:read_some()
        until not bytes
        assert.equal("acting", (box:take()))
        if action ~= "exchange handlers and close" or handler == "on_close" then
          while box:take() ~= "closed" do -- luacheck: ignore
          end
          assert.equal(1, closed)
        end
        atools.sleep(0.002)
        assert.is_true(closed <= 1)
      end)
    end
  end

  for action, act in pairs(ACTIONS) do
    it("the other side, in a handler: " .. action, function()
      local clients = {}
      local done = sockets.mailbox()
      listener = sockets.listen {
        frame = "line",
        on_data = function(conn, number)
          act(clients[tonumber(number)], listener)
          conn:close()
        end,
        on_error = function() end,
        on_close = function()
          done:post("closed")
        end,
      }
      for i = 1, 5 do
        clients[i] = sockets.connect(listener)
      end
      for i = 1, 5 do
        clients[i]:write(6 - i, "\n")
      end
      for i = 1, 5 do
        done:take()
        clients[i]:close()
      end
    end)
  end
end)
