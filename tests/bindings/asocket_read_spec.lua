-- SPDX-License-Identifier: MIT
-- Reading from connections in tasks.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("reading", function()
  local a, b

  sockets.leave_nothing(before_each, after_each, function()
    a:close()
    b:close()
  end)

  before_each(function()
    a, b = assert(asocket.pair())
  end)

  it("gives lines without their ends", function()
    b:write("one\ntwo\r\n\nthree\r\r\n")
    assert.equal("one", a:read())
    assert.equal("two", a:read("l"))
    assert.equal("", a:read("*l"))
    assert.equal("three\r", a:read())
  end)

  it("gives lines with their ends", function()
    b:write("one\ntwo\r\n")
    assert.equal("one\n", a:read("L"))
    assert.equal("two\r\n", a:read("L"))
  end)

  it("gives exactly as many bytes as asked for", function()
    b:write("abcdef")
    assert.equal("abc", a:read(3))
    assert.equal("", a:read(0))
    local task = atools.spawn(function()
      return a:read(5)
    end)
    atools.sleep(0)
    b:write("gh")
    local _, bytes = task:join(sockets.soon)
    assert.equal("defgh", bytes)
  end)

  it("gives everything to the end", function()
    atools.spawn(function()
      for i = 1, 100 do
        b:write(i, "\n")
      end
      b:shutdown()
    end)
    local all = a:read("a")
    assert.equal(292, #all)
    assert.equal("1\n2\n", all:sub(1, 4))
    assert.same({ nil, "closed by peer", "EOF", "" }, { a:read() })
  end)

  it("gives an empty end as success", function()
    b:shutdown()
    assert.equal("", a:read("a"))
  end)

  it("delivers an unterminated last line", function()
    b:write("one\ntwo")
    b:close()
    assert.equal("one", a:read())
    assert.equal("two", a:read())
    assert.same({ nil, "closed by peer", "EOF", "" }, { a:read() })
  end)

  it("tells the rest when the end comes too early", function()
    b:write("half")
    b:shutdown()
    assert.same({ nil, "closed by peer", "EOF", "half" }, { a:read(10) })
    assert.same({ nil, "closed by peer", "EOF", "" }, { a:read(10) })
  end)

  it("gives whatever comes next", function()
    b:write("abcdef")
    assert.equal("abcdef", a:peek(6)) -- all of it has come
    assert.equal("ab", a:read_some(2))
    assert.equal("cdef", a:read_some())
    b:shutdown()
    assert.same({ nil, "closed by peer", "EOF", "" }, { a:read_some() })
  end)

  it("reads up to a delimiter", function()
    b:write("head: x\r\n\r\nbody\0\0tail")
    assert.equal("head: x", a:read_until("\r\n\r\n"))
    assert.equal("body", a:read_until("\0\0"))
    b:shutdown()
    assert.same({ nil, "closed by peer", "EOF", "tail" }, { a:read_until("x") })
  end)

  it("finds a delimiter that comes in pieces", function()
    local task = atools.spawn(function()
      return a:read_until("abcab")
    end)
    for c in ("abcabcab"):gmatch(".") do
      b:write(c)
      b:flush()
      atools.sleep(0)
    end
    local _, bytes = task:join(sockets.soon)
    assert.equal("", bytes)
    assert.equal("cab", a:read(3))
  end)

  it("peeks without consuming", function()
    b:write("abc")
    assert.equal("ab", a:peek(2))
    assert.equal("abc", a:peek(3))
    assert.equal("abc", a:read(3))
  end)

  it("refuses a line that is too long and consumes nothing", function()
    local long = ("x"):rep(9000)
    b:write(long, "\n")
    local data, _, code, rest = a:read()
    assert.is_nil(data)
    assert.equal("EMSGSIZE", code)
    assert.equal("xxxx", rest:sub(1, 4))
    assert.equal(long .. "\n", a:read(9001))
  end)

  it("refuses a delimiter that is too far away", function()
    b:write("0123456789;")
    assert.equal("EMSGSIZE", select(3, a:read_until(";", 5)))
    assert.equal("0123456789", a:read_until(";", 10))
  end)

  it("takes its limits from the options", function()
    local x, y = assert(asocket.pair { max_frame = 4, max_read = 100 })
    local hx <close> = x
    local hy <close> = y
    hy:write("12345\n")
    assert.equal("EMSGSIZE", select(3, hx:read()))
    assert.equal("12345", hx:read(5))
    assert.error_matches(function()
      hx:read(101)
    end, "max_read is 100")
    hy:write(("z"):rep(200))
    hy:shutdown()
    local data, _, code, rest = hx:read("a")
    assert.is_nil(data)
    assert.equal("EMSGSIZE", code)
    assert.is_true(#rest > 100)
    assert.equal("\n" .. ("z"):rep(99), hx:read(100))
  end)

  it("may be without a limit", function()
    local x <close>, y = assert(asocket.pair { max_frame = false })
    local hy <close> = y
    local task = atools.spawn(function()
      hy:write(("y"):rep(100000), "\n")
    end)
    assert.equal(100000, #assert(x:read()))
    assert.is_true(task:join(sockets.soon))
  end)

  it("times out, consumes nothing and goes on", function()
    a:set_timeout(0.02)
    b:write("ab")
    local before = atools.now()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { a:read(3) })
    assert.is_true(atools.now() - before >= 0.02)
    b:write("c")
    assert.equal("abc", a:read(3))
    a:set_timeout(false)
    assert.is_nil(a.anything)
  end)

  it("bounds the whole read, not its pieces", function()
    a:set_timeout(0.1)
    local dripping = atools.spawn(function()
      while b:write("x") do
        atools.sleep(0.01)
      end
    end)
    assert.equal("ETIMEDOUT", select(3, a:read(1000)))
    b:close()
    assert.is_true(dripping:join(sockets.soon))
  end)

  it("consumes nothing when its task is cancelled", function()
    local task = atools.spawn(function()
      return a:read()
    end)
    b:write("par")
    atools.sleep(0)
    task:cancel("enough")
    assert.equal("ECANCELED", select(3, task:join(sockets.soon)))
    b:write("tial\n")
    assert.equal("partial", a:read())
  end)

  it("consumes nothing when a deadline passes", function()
    assert.same({ nil, "timeout", "ETIMEDOUT" }, {
      atools.deadline(0.02, function()
        return a:read()
      end),
    })
    b:write("later\n")
    assert.equal("later", a:read())
  end)

  it("has one reader", function()
    local task = atools.spawn(function()
      return a:read()
    end)
    atools.sleep(0)
    assert.error_matches(function()
      a:read()
    end, "another task is reading this connection")
    b:write("for the first\n")
    local _, line = task:join(sockets.soon)
    assert.equal("for the first", line)
  end)

  it("ends at once when the connection is closed here", function()
    local task = atools.spawn(function()
      return a:read()
    end)
    atools.sleep(0)
    a:close()
    assert.same({ true, nil, "closed", "ECLOSED" }, { task:join(sockets.soon) })
    assert.same({ nil, "closed", "ECLOSED" }, { a:read() })
    assert.same({ nil, "closed", "ECLOSED" }, { a:read_some() })
    assert.same({ nil, "closed", "ECLOSED" }, { a:peek(1) })
  end)

  it("works inside the user's own coroutines", function()
    local words = coroutine.wrap(function()
      for line in a:lines() do
        for word in line:gmatch("%a+") do
          coroutine.yield(word)
        end
      end
      return nil
    end)
    b:write("one two\n")
    assert.equal("one", words())
    assert.equal("two", words())
    atools.spawn(function()
      b:write("thr")
      b:flush()
      b:write("ee\n")
      b:shutdown()
    end)
    assert.equal("three", words())
    assert.is_nil(words())
  end)

  it("says where it cannot wait, and leaves nothing behind", function()
    assert.error_matches(function()
      table.sort({ 3, 2, 1 }, function()
        a:read()
        return true
      end)
    end, "cannot wait here: inside .*sort")
    b:write("x\n")
    assert.equal("x", a:read())
  end)

  it("does not need to wait for what is there", function()
    b:write("abc\ndef\n")
    assert.equal("abc", a:read())
    assert.equal("def\n", a:peek(4)) -- it has come
    local seen
    table.sort({ 2, 1 }, function(x, y)
      seen = seen or a:read()
      return x < y
    end)
    assert.equal("def", seen)
  end)

  it("raises for what makes no sense", function()
    for _, wrong in ipairs {
      { "x", "invalid format" },
      { "lines", "invalid format" },
      { "", "invalid format" },
      { -1, "must not be negative" },
      { 1.5, "no integer representation" },
      { 1 << 40, "max_read is 16777216" },
      { {}, "string expected" },
    } do
      assert.error_matches(function()
        a:read(wrong[1])
      end, wrong[2])
    end
    assert.error_matches(function()
      a:read_until("")
    end, "1 to 32 bytes")
    assert.error_matches(function()
      a:read_until(("x"):rep(33))
    end, "1 to 32 bytes")
    assert.error_matches(function()
      a:read_frame()
    end, "no framing")
    assert.error_matches(function()
      a.read({})
    end, "asocket.connection expected")
  end)

  it("tells a reset with its words, after what came before it", function()
    local client <close>, server = sockets.tcp_pair()
    client:write("last words")
    client:flush()
    assert.equal("last", server:read(4))
    client:abort()
    local data, message, code
    repeat
      data, message, code = server:read_some()
    until not data
    assert.equal("ECONNRESET", code)
    assert.equal("connection reset by peer", message)
    assert.equal("ECONNRESET", select(3, server:read()))
    assert.equal("ECONNRESET", select(3, server:write("x")))
    server:close()
    assert.same({ nil, "closed", "ECLOSED" }, { server:read() })
  end)

  it("keeps every byte, however it is cut", function()
    local noise = sockets.noise(sockets.amount(300000), 7)
    local task = atools.spawn(function()
      local i = 1
      local sizes = { 1, 2, 3, 1000, 7, 40000, 65536, 5 }
      local n = 0
      while i <= #noise do
        n = n % #sizes + 1
        b:write(noise:sub(i, i + sizes[n] - 1))
        i = i + sizes[n]
        if n % 3 == 0 then
          atools.sleep(0)
        end
      end
      b:shutdown()
    end)
    local parts = {}
    local size = 1
    while true do
      local part, _, _, rest = a:read(size)
      parts[#parts + 1] = part or rest
      if not part then
        break
      end
      size = size * 3 % 50000 + 1
    end
    assert.is_true(noise == table.concat(parts))
    assert.is_true(task:join(sockets.soon))
  end)
end)
