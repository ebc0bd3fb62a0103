-- SPDX-License-Identifier: MIT

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("a connection's lines", function()
  sockets.leave_nothing(before_each, after_each)

  local function pair(text)
    local a, b = asocket.pair()
    a:write(text)
    a:close()
    return b
  end

  it("end with the stream, the last one unterminated or not", function()
    for _, text in ipairs { "one\ntwo\n", "one\r\ntwo" } do
      local conn <close> = pair(text)
      local lines = {}
      for line in conn:lines() do
        lines[#lines + 1] = line
      end
      assert.same({ "one", "two" }, lines)
    end
  end)

  it("raise what is no clean end", function()
    local conn <close> = pair("abcde")
    local next_part = conn:lines(3)
    assert.equal("abc", next_part())
    local ok, err = pcall(next_part)
    assert.is_false(ok)
    assert.equal("EOF", err.code)
  end)

  it("can be read in a generator of one's own", function()
    local conn <close> = pair("1\n2\n3\n")
    local sum = 0
    for n in coroutine.wrap(function()
      for line in conn:lines() do
        coroutine.yield(tonumber(line))
      end
    end) do
      sum = sum + n
    end
    assert.equal(6, sum)
  end)
end)

describe("send_file", function()
  sockets.leave_nothing(before_each, after_each)

  local path

  setup(function()
    path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(("0123456789"):rep(2000))
    file:close()
  end)

  teardown(function()
    os.remove(path)
  end)

  it("writes a file or a part of it", function()
    local a, b = asocket.pair()
    finally(function()
      a:close()
      b:close()
    end)
    local sender = atools.spawn(function()
      assert(a:send_file(path, 5, 10) == 10)
      local count = a:send_file(path)
      a:shutdown()
      return count
    end)
    assert.equal("5678901234", b:read(10))
    assert.equal(20000, #b:read("a"))
    assert.same({ true, 20000 }, { sender:join() })
  end)

  it("tells of a file that is not there", function()
    local a, b = asocket.pair()
    finally(function()
      a:close()
      b:close()
    end)
    local count, _, code = a:send_file(path .. ".missing")
    assert.is_nil(count)
    assert.equal("ENOENT", code)
    assert.is_true(b:is_open())
  end)
end)
