-- SPDX-License-Identifier: MIT
-- Writing: order, backpressure, limits, what cannot be written.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("writing", function()
  local open

  sockets.leave_nothing(before_each, after_each, function()
    for _, conn in ipairs(open) do
      conn:abort()
    end
  end)

  before_each(function()
    open = {}
  end)

  -- A pair whose output queue has these marks.
  local function pair(options)
    local a, b = assert(asocket.pair(options))
    open = { a, b }
    return a, b
  end

  -- Fills the kernel's buffers and the queue up to the high mark.
  local function fill(conn)
    local total = 0
    while conn:queued() < 1000 do
      assert(conn:enqueue(("f"):rep(10000)))
      total = total + 10000
      atools.sleep(0)
    end
    return total
  end

  it("puts strings and numbers together", function()
    local a, b = pair()
    assert.is_true(a:write("x", 1, 2.5, "", "y\n"))
    assert.equal("x12.5y", b:read())
    assert.is_true(a:write())
    assert.is_true(a:write(""))
    assert.is_true(a:write(7))
    assert.equal("7", b:read(1))
  end)

  it("sends nothing when one piece is wrong", function()
    local a, b = pair()
    assert.error_matches(function()
      a:write("good", {}, "good")
    end, "bad argument #2 to 'write' %(string, number or buffer expected, got table%)")
    assert.error_matches(function()
      a:enqueue("good", nil)
    end, "string, number or buffer expected")
    assert.error_matches(function()
      a:write_frame(true)
    end, "string, number or buffer expected")
    a:write("only this")
    a:shutdown()
    assert.equal("only this", b:read("a"))
  end)

  it("takes many pieces, small and large", function()
    local a, b = pair()
    local pieces = {}
    for i = 1, 200 do
      pieces[i] = ("%d,"):format(i):rep(i * 7)
    end
    local task = atools.spawn(function()
      assert(a:write(table.unpack(pieces)))
      a:shutdown()
    end)
    assert.is_true(b:read("a") == table.concat(pieces))
    assert.is_true(task:join(sockets.soon))
  end)

  it("sends 32 MiB and not a byte else", function()
    local client, server = sockets.tcp_pair(nil, { max_read = false })
    open = { client, server }
    local noise = sockets.noise(sockets.amount(1 << 20), 3)
    local task = atools.spawn(function()
      local big = noise:rep(16)
      assert(server:write(big)) -- one string
      for _ = 1, 16 do -- and as many more, waiting for room
        assert(server:write(noise))
      end
      server:close()
    end)
    for _ = 1, 32 do
      assert.is_true(client:read(#noise) == noise)
    end
    assert.same({ nil, "closed by peer", "EOF", "" }, { client:read() })
    assert.is_true(task:join(sockets.soon))
  end)

  it("waits above the high mark until the peer has read", function()
    local a, b = pair { high = 1000 }
    local total = fill(a)
    local done = false
    local task = atools.spawn(function()
      assert.is_true(a:write("end"))
      done = true
    end)
    for _ = 1, 10 do
      atools.sleep(0)
    end
    assert.is_false(done)
    assert.equal(total, #b:read(total))
    assert.is_true(task:join(sockets.soon))
    assert.equal("end", b:read(3))
  end)

  it("lets waiting writers go on in the order they came", function()
    local a, b = pair { high = 1 }
    local total = fill(a)
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = atools.spawn(function()
        return a:write(("<%d"):format(i), (".") :rep(i * 1000), ">\n")
      end)
    end
    b:read(total)
    for i = 1, 20 do
      assert.equal(("<%d%s>"):format(i, (".") :rep(i * 1000)), b:read_until("\n", 30000))
    end
    for i = 1, 20 do
      assert.is_true(tasks[i]:join(sockets.soon))
    end
  end)

  it("keeps the queue bounded however fast the writer is", function()
    local a, b = pair { high = 65536 }
    local rounds = sockets.amount(2000)
    local most = 0
    local piece = ("p"):rep(4096)
    local task = atools.spawn(function()
      for _ = 1, rounds do
        assert(a:write(piece))
        most = math.max(most, a:queued())
      end
      a:shutdown()
    end)
    local got = 0
    while true do
      local data = b:read_some(10000)
      if not data then
        break
      end
      got = got + #data
    end
    assert.equal(rounds * 4096, got)
    assert.is_true(most <= 65536 + 4096, most)
    assert.is_true(task:join(sockets.soon))
  end)

  it("enqueues without waiting, up to the cap", function()
    local a, b = pair { high = 1000, cap = 50000 }
    local queued
    local total = 0
    local message, code
    repeat
      local ok
      ok, queued, code = a:enqueue(("e"):rep(10000))
      if ok then
        assert.equal(a:queued(), queued)
        total = total + 10000
        atools.sleep(0)
      else
        message = queued
      end
    until not ok
    assert.equal("output queue is full", message)
    assert.equal("ENOBUFS", code)
    assert.is_true(a:queued() <= 50000)
    assert.is_true(a:is_open())
    b:read(total)
    assert.is_true(a:enqueue("again"))
    assert.equal("again", b:read(5))
  end)

  it("refuses one string over the cap even when nothing is queued", function()
    local a = pair { cap = 100 }
    assert.same({ nil, "output queue is full", "ENOBUFS" }, { a:enqueue(("x"):rep(101)) })
    assert.is_true(a:write(("x"):rep(101)))
  end)

  it("is as enqueue where nothing can wait", function()
    local a, b = pair { high = 1, cap = 20000 }
    local total = fill(a)
    local results
    table.sort({ 2, 1 }, function(x, y)
      results = results or { a:write(("x"):rep(30000)) }
      return x < y
    end)
    assert.same({ nil, "output queue is full", "ENOBUFS" }, results)
    local ok
    table.sort({ 2, 1 }, function(x, y)
      ok = a:write("s")
      return x < y
    end)
    assert.is_true(ok)
    assert.equal(total, #b:read(total))
  end)

  it("flushes: waits until the kernel has it all", function()
    local a, b = pair()
    assert.is_true(a:flush())
    local total = fill(a)
    local task = atools.spawn(function()
      return a:flush()
    end)
    atools.sleep(0)
    assert.equal("waiting", task:status())
    local reader = atools.spawn(function()
      return #b:read(total)
    end)
    assert.same({ true, true }, { task:join(sockets.soon) })
    assert.equal(0, a:queued())
    assert.same({ true, total }, { reader:join(sockets.soon) })
  end)

  it("does not let a flush hold up writers", function()
    local a, b = pair { high = 1 << 20 }
    local total = fill(a)
    local flushing = atools.spawn(function()
      return a:flush()
    end)
    atools.sleep(0)
    assert.is_true(a:write("behind"))
    b:read(total)
    assert.equal("behind", b:read(6))
    assert.same({ true, true }, { flushing:join(sockets.soon) })
  end)

  it("wakes a flush that waits beside writers", function()
    local a, b = pair { high = 1 }
    local total = fill(a)
    local flushing = atools.spawn(function()
      return a:flush()
    end)
    local writing = atools.spawn(function()
      return a:write("w")
    end)
    atools.sleep(0)
    assert.equal(total + 1, #b:read(total + 1))
    assert.same({ true, true }, { flushing:join(sockets.soon) })
    assert.same({ true, true }, { writing:join(sockets.soon) })
  end)

  it("times out and queues nothing of what did not fit", function()
    local a, b = pair { high = 1 }
    local total = fill(a)
    a:set_timeout(0.02)
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { a:write("lost") })
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { a:flush() })
    b:read(total)
    assert.is_true(a:write("kept"))
    assert.equal("kept", b:read(4))
  end)

  it("queues nothing for a task that is cancelled", function()
    local a, b = pair { high = 1 }
    local total = fill(a)
    local task = atools.spawn(function()
      return a:write("never")
    end)
    local later = atools.spawn(function()
      return a:write("later")
    end)
    atools.sleep(0)
    task:cancel()
    assert.equal("cancelled", select(2, task:join(sockets.soon)))
    b:read(total)
    assert.equal("later", b:read(5))
    assert.is_true(later:join(sockets.soon))
  end)

  it("ends at once when the connection is closed here", function()
    local a = pair { high = 1 }
    fill(a)
    local write = atools.spawn(function()
      return a:write("x")
    end)
    local flush = atools.spawn(function()
      return a:flush()
    end)
    atools.sleep(0)
    a:close()
    assert.same({ true, nil, "closed", "ECLOSED" }, { write:join(sockets.soon) })
    assert.same({ true, nil, "closed", "ECLOSED" }, { flush:join(sockets.soon) })
    for _, method in ipairs { "write", "enqueue", "write_frame" } do
      assert.same({ nil, "closed", "ECLOSED" }, { a[method](a, "x") })
    end
    assert.same({ nil, "closed", "ECLOSED" }, { a:flush() })
    assert.same({ nil, "closed", "ECLOSED" }, { a:shutdown() })
    assert.equal(0, (a:queued()))
  end)

  it("ends at once when the peer resets", function()
    local client, server = sockets.tcp_pair(nil, { high = 1 })
    open = { client, server }
    fill(client)
    local write = atools.spawn(function()
      return client:write("x")
    end)
    atools.sleep(0)
    server:abort()
    local _, ok, message, code = write:join(sockets.soon)
    assert.is_nil(ok)
    assert.equal("connection reset by peer", message)
    assert.equal("ECONNRESET", code)
    assert.equal("ECONNRESET", select(3, client:write("x")))
    assert.equal("ECONNRESET", select(3, client:flush()))
    assert.equal("ECONNRESET", select(3, client:enqueue("x")))
  end)

  it("ends its output and goes on reading", function()
    local a, b = pair()
    a:write("request")
    assert.is_true(a:shutdown())
    assert.is_true(a:shutdown())
    assert.same({ nil, "broken pipe", "EPIPE" }, { a:write("more") })
    assert.equal("request", b:read("a"))
    b:write("answer")
    b:close()
    assert.equal("answer", a:read("a"))
  end)

  it("sends all that was queued before closing", function()
    local client, server = sockets.tcp_pair()
    open = { client, server }
    local noise = sockets.noise(sockets.amount(3 << 20), 9)
    server:enqueue(noise)
    server:close()
    assert.is_true(client:read("a") == noise)
  end)

  it("gives a peer up that takes nothing for too long", function()
    local client, server = sockets.tcp_pair { write_stall = 0.05 }
    open = { client, server }
    assert(server:enqueue(("f"):rep(sockets.plenty)))
    if sockets.poor then -- so little is taken after all
      assert.is_true(server:flush())
    else
      assert.equal("ETIMEDOUT", select(3, server:flush()))
    end
  end)

  it("writes strings that are sent and collected at the same time", function()
    local client, server = sockets.tcp_pair()
    open = { client, server }
    local length = sockets.amount(100000)
    local task = atools.spawn(function()
      for i = 1, 60 do
        assert(server:write((string.char(64 + i)):rep(length)))
        if i % 10 == 0 then
          collectgarbage()
        end
      end
      server:close()
    end)
    for i = 1, 60 do
      assert.is_true(client:read(length) == (string.char(64 + i)):rep(length))
    end
    assert.is_true(task:join(sockets.soon))
  end)
end)
