-- SPDX-License-Identifier: MIT
-- Channels: nothing lost, nothing twice, in order.

local atools = require "atools"

local function drain(ch)
  local list = {}
  for v in ch:values() do
    list[#list + 1] = v
  end
  return list
end

describe("a channel without capacity", function()
  it("lets sender and receiver meet", function()
    local ch = atools.channel()
    local sent = false
    local task = atools.spawn(function()
      ch:send "value"
      sent = true
    end)
    atools.sleep(0)
    atools.sleep(0)
    assert.is_false(sent)
    assert.equal("value", ch:receive())
    assert.is_false(sent)
    task:join()
    assert.is_true(sent)
  end)

  it("hands to a receiver that waits without waiting", function()
    local ch = atools.channel()
    local task = atools.spawn(ch.receive, ch)
    atools.sleep(0)
    assert.is_true(ch:send(1, 0))
    assert.same({ true, 1 }, { task:join() })
  end)

  it("keeps the order of senders and of receivers", function()
    local ch = atools.channel()
    for i = 1, 3 do
      atools.spawn(ch.send, ch, i)
    end
    atools.sleep(0)
    assert.same({ 1, 2, 3 }, { ch:receive(), ch:receive(), ch:receive() })
    local got = {}
    for i = 1, 3 do
      atools.spawn(function()
        got[i] = ch:receive()
      end)
    end
    atools.sleep(0)
    for i = 1, 3 do
      ch:send(i * 10)
    end
    atools.sleep(0)
    assert.same({ 10, 20, 30 }, got)
  end)

  it("carries every value but nil", function()
    local ch = atools.channel()
    for _, value in ipairs { false, 0, "", { 1 }, print, ch } do
      atools.spawn(ch.send, ch, value)
      assert.equal(value, (ch:receive()))
    end
    assert.has_error(function()
      ch:send(nil)
    end)
    assert.has_error(function()
      ch:send()
    end)
  end)
end)

describe("a channel with capacity", function()
  it("takes that many without waiting", function()
    local ch = atools.channel(2)
    assert.is_true(ch:send(1, 0))
    assert.is_true(ch:send(false, 0))
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:send(3, 0.001) })
    assert.same({ 1, false }, { (ch:receive()), (ch:receive()) })
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:receive(0.001) })
  end)

  it("keeps the order over waiting senders, round and round", function()
    local ch = atools.channel(3)
    atools.spawn(function()
      for i = 1, 100 do
        ch:send(i)
      end
      ch:close()
    end)
    local list = drain(ch)
    assert.equal(100, #list)
    for i = 1, 100 do
      assert.equal(i, list[i])
    end
  end)

  it("keeps the values of many senders, whatever their number", function()
    local ch = atools.channel(1)
    local sum, want = 0, 0
    local group <close> = atools.group()
    for i = 1, 50 do
      want = want + i
      group:spawn(ch.send, ch, i)
    end
    for _ = 1, 50 do
      sum = sum + ch:receive()
    end
    assert.equal(want, sum)
  end)

  it("works without a task as long as nobody has to wait", function()
    local ch = atools.channel(1)
    local ok, message
    table.sort({ 2, 1 }, function(a, b)
      if ok == nil then
        ok = ch:send(1)
        message = select(2, pcall(ch.send, ch, 2))
      end
      return a < b
    end)
    assert.is_true(ok)
    assert.matches("cannot wait here: inside sort", message)
    assert.equal(1, ch:receive())
  end)

  it("needs a whole number, not negative", function()
    for _, bad in ipairs { -1, 1.5, "x", {}, math.maxinteger } do
      assert.has_error(function()
        atools.channel(bad)
      end)
    end
  end)
end)

describe("closing a channel", function()
  it("fails who waits to send or to receive", function()
    for _, method in ipairs { "send", "receive" } do
      local ch = atools.channel()
      local task = atools.spawn(ch[method], ch, method == "send" or nil)
      atools.sleep(0)
      ch:close()
      assert.same({ true, nil, "closed", "ECLOSED" }, { task:join() })
    end
  end)

  it("leaves what lies in it to receivers", function()
    local ch = atools.channel(3)
    ch:send(1)
    ch:send(2)
    ch:close()
    ch:close()
    assert.same({ nil, "closed", "ECLOSED" }, { ch:send(3) })
    assert.same({ 1, 2 }, drain(ch))
    assert.same({ nil, "closed", "ECLOSED" }, { ch:receive() })
  end)

  it("happens when a block is left", function()
    local outside
    do
      local ch <close> = atools.channel()
      outside = ch
    end
    assert.same({ nil, "closed", "ECLOSED" }, { outside:send(1) })
  end)
end)

describe("a side that gives up", function()
  it("by timeout takes nothing with it", function()
    local ch = atools.channel()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:send("lost?", 0.001) })
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:receive(0.001) })
    local task = atools.spawn(ch.receive, ch)
    atools.sleep(0)
    ch:send "kept"
    assert.same({ true, "kept" }, { task:join() })
  end)

  it("by cancel neither", function()
    local ch = atools.channel()
    local sender = atools.spawn(ch.send, ch, "withdrawn")
    local receiver
    atools.sleep(0)
    sender:cancel()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:receive(0.001) })
    receiver = atools.spawn(ch.receive, ch)
    atools.sleep(0)
    receiver:cancel()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:send(1, 0.001) })
    sender:join()
    receiver:join()
  end)

  it("after the value was taken has sent it", function()
    local ch = atools.channel()
    local result
    local sender = atools.spawn(function()
      result = ch:send "taken"
    end)
    atools.sleep(0)
    assert.equal("taken", ch:receive())
    sender:cancel()
    sender:join()
    assert.is_true(result)
  end)

  it("again and again leaves nothing behind", function()
    local ch = atools.channel()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 2000 do
      ch:receive(0)
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 50)
  end)
end)

describe("values()", function()
  it("raises when the task is cancelled, and keeps the channel", function()
    local ch = atools.channel()
    local task = atools.spawn(drain, ch)
    atools.sleep(0)
    task:cancel()
    assert.equal("ECANCELED", select(3, task:join()))
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { ch:send(1, 0) })
  end)
end)
