-- SPDX-License-Identifier: MIT
-- Framing: every kind in both directions, as handlers and as tasks see it.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

-- The framing, a payload, and how it looks on the wire.
local KINDS = {
  { "line", "hello", "hello\n" },
  { { delimiter = "\r\n\r\n" }, "a: b\r\nc: d", "a: b\r\nc: d\r\n\r\n" },
  { { length = "u16be" }, "hello", "\0\5hello" },
  { { length = "u16le" }, "hello", "\5\0hello" },
  { { length = "u32be" }, "hello", "\0\0\0\5hello" },
  { { length = "u32le" }, "hello", "\5\0\0\0hello" },
  { { length = "i16be" }, "hello", "\0\5hello" },
  { { length = "u16be", inclusive = true }, "hello", "\0\7hello" },
  { { length = "varint" }, ("v"):rep(300), "\xac\2" .. ("v"):rep(300) },
  { "netstring", "hello", "5:hello," },
  { { fixed = 5 }, "hello", "hello" },
}

local function name_of(frame)
  if type(frame) == "string" then
    return frame
  end
  local key, value = next(frame, frame.inclusive and "inclusive" or nil)
  if frame.length then
    key, value = frame.inclusive and "inclusive" or "length", frame.length
  end
  return ("%s %q"):format(key, value)
end

describe("framing", function()
  local a, b

  sockets.leave_nothing(before_each, after_each, function()
    a:abort()
    b:abort()
  end)

  local function pair(options)
    a, b = assert(asocket.pair(options))
  end

  for _, kind in ipairs(KINDS) do
    local frame, payload, wire = table.unpack(kind)

    it("writes and reads " .. name_of(frame), function()
      pair { frame = frame }
      assert.is_true(a:write_frame(payload))
      assert.is_true(a:write_frame(payload))
      assert.equal(wire, b:read(#wire))
      assert.equal(payload, b:read_frame())
      b:write(wire, wire)
      assert.equal(payload, a:read_frame())
      assert.equal(payload, a:read_frame())
    end)

    it("delivers " .. name_of(frame) .. " to on_data, however it is cut", function()
      pair()
      local box = sockets.mailbox()
      b:set_handlers {
        frame = frame,
        on_data = function(_, bytes)
          box:post(bytes)
        end,
      }
      a:write(wire, wire, wire)
      for _ = 1, 3 do
        assert.equal(payload, (box:take()))
      end
      for c in wire:gmatch(".") do
        assert.is_true(box:empty())
        a:write(c)
        a:flush()
        atools.sleep(0)
      end
      assert.equal(payload, (box:take()))
    end)
  end

  it("is chosen for a connection at any time", function()
    pair()
    a:write("head\n\0\3abc\0\1drest")
    assert.equal("head", b:read())
    assert.is_true(b:set_frame { length = "u16be" })
    assert.equal("abc", b:read_frame())
    assert.equal("d", b:read_frame())
    assert.is_true(b:set_frame(nil))
    assert.equal("rest", b:read(4))
    assert.error_matches(function()
      b:read_frame()
    end, "no framing: set_frame first")
  end)

  it("changes between two frames of one chunk", function()
    pair()
    local box = sockets.mailbox()
    b:set_handlers {
      frame = "line",
      on_data = function(conn, bytes)
        box:post(bytes)
        if bytes == "switch" then
          conn:set_frame { fixed = 2 }
        end
      end,
    }
    a:write("one\nswitch\naabbcc")
    for _, expected in ipairs { "one", "switch", "aa", "bb", "cc" } do
      assert.equal(expected, (box:take()))
    end
  end)

  it("refuses frames over the maximum when they are announced", function()
    pair { frame = { length = "u32be" }, max_frame = 10 }
    a:write("\0\0\0\11")
    assert.equal("EMSGSIZE", select(3, b:read_frame()))
    assert.equal("EMSGSIZE", select(3, b:write_frame(("x"):rep(11))))
    assert.is_true(b:write_frame(("x"):rep(10)))
  end)

  it("ends a connection whose handler would get too long a frame", function()
    pair()
    local box = sockets.mailbox()
    b:set_handlers {
      frame = "line",
      max_frame = 5,
      on_data = function(_, bytes)
        box:post("data", bytes)
      end,
      on_close = function(_, message, code)
        box:post("close", message, code)
      end,
    }
    a:write("ok\nmuch too long\n")
    assert.same({ "data", "ok" }, { box:take() })
    assert.same({ "close", "line longer than 5 bytes", "EMSGSIZE" }, { box:take() })
    assert.is_nil((a:read()))
  end)

  it("tells what is no frame at all", function()
    pair { frame = "netstring" }
    a:write("x:hello,")
    assert.equal("EPROTO", select(3, b:read_frame()))
    assert.equal("x:hello,", b:read(8))
    b:set_frame { length = "i16be" }
    a:write("\xff\xff")
    assert.equal("EPROTO", select(3, b:read_frame()))
  end)

  it("does not write what its framing cannot carry", function()
    pair { frame = "line" }
    assert.same({ nil, "protocol error", "EPROTO" }, { a:write_frame("two\nlines") })
    a:set_frame { fixed = 4 }
    assert.equal("EPROTO", select(3, a:write_frame("five5")))
    a:set_frame { length = "u16be" }
    a:set_frame({ length = "u16be" }, 1 << 20)
    assert.equal("EMSGSIZE", select(3, a:write_frame(("x"):rep(65536))))
    a:write_frame("fits")
    assert.equal("\0\4fits", b:read(6))
  end)

  it("waits to write a frame when the queue is full", function()
    pair { frame = { length = "u32be" }, high = 1 }
    local total = 0
    while a:queued() == 0 do
      a:enqueue(("f"):rep(10000))
      total = total + 10000
      atools.sleep(0)
    end
    local task = atools.spawn(function()
      return a:write_frame("late")
    end)
    atools.sleep(0)
    assert.equal("waiting", task:status())
    b:read(total)
    assert.equal("late", b:read_frame())
    assert.same({ true, true }, { task:join(sockets.soon) })
  end)

  it("does not understand just anything", function()
    pair()
    for _, wrong in ipairs {
      { "lines", 'option "frame" must be one of "line", "netstring"' },
      { 5, "frame must be" },
      { {}, "needs delimiter, length or fixed" },
      { { delimiter = "" }, "1 to 32 bytes" },
      { { delimiter = ("x"):rep(33) }, "1 to 32 bytes" },
      { { length = "u64" }, 'option "length" must be one of "u16be"' },
      { { fixed = 0 }, "fixed frames need a size" },
      { { length = "varint", inclusive = true }, "inclusive" },
      { { size = 5 }, 'unknown frame option "size"' },
    } do
      assert.error_matches(function()
        a:set_frame(wrong[1])
      end, wrong[2])
      assert.error_matches(function()
        asocket.listen("127.0.0.1:0", { frame = wrong[1] })
      end, wrong[2])
    end
    assert.error_matches(function()
      a:set_frame("line", 0)
    end, "at least 1")
  end)
end)
