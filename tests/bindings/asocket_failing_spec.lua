-- SPDX-License-Identifier: MIT
-- Handlers that raise: who is told, what is closed, who goes on.

local atools = require "atools"
local sockets = require "tests.support.sockets"

describe("a failing handler", function()
  local listener, box

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  before_each(function()
    box = sockets.mailbox()
  end)

  local function start(handlers)
    handlers.on_close = handlers.on_close or function(_, message, code)
      box:post("closed", message, code)
    end
    listener = sockets.listen(handlers)
    return sockets.connect(listener)
  end

  it("is told to on_error of its table; only its connection is closed", function()
    local client <close> = start {
      frame = "line",
      on_data = function(conn, line)
        if line == "bad" then
          error("on purpose")
        end
        conn:write(line)
      end,
      on_error = function(conn, err, traceback)
        box:post("error", tostring(conn):match("^[%a.]+"), err, traceback)
      end,
    }
    local other <close> = sockets.connect(listener)
    client:write("bad\n")
    local name, conn, err, traceback = box:take()
    assert.same({ "error", "asocket.connection" }, { name, conn })
    assert.matches("on purpose$", err)
    assert.matches("asocket_failing_spec", traceback)
    assert.same({ "closed", "a handler raised an error", "ESCRIPT" }, { box:take() })
    assert.equal("", client:read("a"))
    other:write("fine\n")
    assert.equal("fine", other:read(4))
    local again <close> = sockets.connect(listener)
    again:write("too\n")
    assert.equal("too", again:read(3))
  end)

  it("sends what it wrote before", function()
    local client <close> = start {
      on_data = function(conn)
        conn:write("before")
        error "after"
      end,
      on_error = function() end,
    }
    client:write("x")
    assert.equal("before", client:read("a"))
    assert.equal("closed", (box:take()))
  end)

  for _, name in ipairs { "on_open", "on_data", "on_end", "on_drain", "on_close" } do
    for _, waits in ipairs { false, true } do
      it("is caught: " .. name .. (waits and " after it waited" or ""), function()
        local handlers = {
          high = 1000,
          on_data = function(conn)
            conn:enqueue(("x"):rep(sockets.plenty)) -- more than the kernel takes
          end,
          on_end = function(conn)
            conn:close()
          end,
          on_error = function(_, err)
            box:post("error", err)
          end,
        }
        handlers[name] = function()
          if waits then
            atools.sleep(0)
          end
          error("in " .. name, 0)
        end
        local client <close> = start(handlers)
        client:write("x")
        client:shutdown()
        client:read("a")
        local found
        repeat
          local event, text = box:take()
          found = event == "error" and text == "in " .. name
        until found
      end)
    end
  end

  it("goes to the engine's on_error when its table has none", function()
    atools.on_error(function(conn, err)
      box:post("global", tostring(conn):match("^[%a.]+"), err)
    end)
    finally(function()
      atools.on_error(nil)
    end)
    local client <close> = start {
      on_data = function()
        error("unseen", 0)
      end,
    }
    client:write("x")
    assert.same({ "global", "asocket.connection", "unseen" }, { box:take() })
  end)

  it("goes to the log when there is nobody else", function()
    local lines = sockets.logged(function()
      local client <close> = start {
        on_data = function()
          error("to the log", 0)
        end,
      }
      client:write("x")
      assert.equal("closed", (box:take()))
    end)
    local text = table.concat(lines, "\n")
    assert.matches("error in asocket.connection", text)
    assert.matches("to the log", text)
  end)

  it("may raise anything", function()
    for _, value in ipairs { { message = "x" }, 42, true } do
      local client <close> = start {
        on_data = function()
          error(value)
        end,
        on_error = function(_, err)
          box:post(err)
        end,
      }
      client:write("x")
      assert.equal(value, (box:take()))
      assert.equal("closed", (box:take()))
      listener:close()
    end
    local client <close> = start {
      on_data = function()
        error(nil)
      end,
      on_error = function(_, err)
        box:post("nothing", err)
      end,
    }
    client:write("x")
    assert.equal("nothing", (box:take()))
    assert.equal("closed", (box:take()))
  end)

  it("may fail in on_error too", function()
    local lines = sockets.logged(function()
      local client <close> = start {
        on_data = function()
          error "first"
        end,
        on_error = function()
          error "second"
        end,
      }
      client:write("x")
      assert.equal("closed", (box:take()))
    end)
    assert.matches("second", table.concat(lines, "\n"))
  end)

  it("closes quietly for an error object of the network", function()
    local before = atools.stats().network_errors
    local lines = sockets.logged(function()
      local client <close> = start {
        on_data = function(conn)
          for _ in conn:lines() do -- luacheck: ignore
          end
          atools.check(conn:read())
        end,
      }
      client:write("x\n")
      client:shutdown()
      assert.equal("", client:read("a"))
      assert.same({ "closed", "closed by peer", "EOF" }, { box:take() })
    end)
    assert.same({}, lines)
    assert.equal(before + 1, atools.stats().network_errors)
  end)

  it("takes nobody along when many fail at once", function()
    local clients = {}
    local first <close> = start {
      frame = "line",
      on_data = function(conn, line)
        if line == "bad" then
          error "bad"
        end
        conn:write(line)
      end,
      on_error = function() end,
      on_close = function() end,
    }
    for i = 1, 50 do
      clients[i] = sockets.connect(listener)
    end
    for i = 1, 50 do
      clients[i]:write(i % 2 == 0 and "bad\n" or "good\n")
    end
    first:write("alive\n")
    assert.equal("alive", first:read(5))
    for i = 1, 50 do
      assert.equal(i % 2 == 0 and "" or "good", clients[i]:read(4) or "")
      clients[i]:close()
    end
  end)
end)
