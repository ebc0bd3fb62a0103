-- SPDX-License-Identifier: MIT

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("asocket", function()
  sockets.leave_nothing(before_each, after_each)

  it("serves handlers and tasks with the same objects", function()
    local handled <close> = assert(asocket.listen("127.0.0.1:0", {
      on_data = function(conn, bytes)
        conn:write(bytes:upper())
      end,
    }))
    local served <close> = assert(asocket.serve("127.0.0.1:0", function(conn)
      for line in conn:lines() do
        conn:write(line:upper(), "\n")
      end
    end))
    for _, listener in ipairs { handled, served } do
      local conn <close> = assert(asocket.connect(asocket.address(listener:local_address())))
      conn:write("hello\n")
      assert.equal("HELLO", conn:read())
      conn:shutdown()
      local data, _, code = conn:read()
      assert.is_nil(data)
      assert.equal("EOF", code)
    end
  end)

  it("relays both ways and carries half-closes over", function()
    local a, near = asocket.pair()
    local far, b = asocket.pair()
    local relay = atools.spawn(asocket.relay, near, far)
    a:write("ping")
    assert.equal("ping", b:read(4))
    a:shutdown()
    assert.equal("EOF", select(3, b:read()))
    b:write("pong!")
    b:shutdown()
    assert.equal("pong!", a:read("a"))
    local ok, there, back = relay:join()
    assert.is_true(ok)
    assert.equal(4, there)
    assert.equal(5, back)
    for _, conn in ipairs { a, b, near, far } do
      conn:close()
    end
  end)

  it("tells that nobody listens", function()
    local listener = assert(asocket.listen("127.0.0.1:0"))
    local address = asocket.address(listener:local_address())
    listener:close()
    local conn, message, code = asocket.connect(address)
    assert.is_nil(conn)
    assert.equal("ECONNREFUSED", code)
    assert.matches("refused", message)
  end)

  it("formats addresses and undoes it", function()
    assert.equal("[::1]:7000", asocket.address("::1", 7000))
    assert.same({ "::1", 7000 }, { asocket.parse_address("[::1]:7000") })
    local host, message, code = asocket.parse_address("nowhere")
    assert.is_nil(host)
    assert.matches("port is missing", message)
    assert.equal("EINVAL", code)
  end)

  it("looks names up in the hosts file", function()
    assert.same({ "127.0.0.1" }, asocket.resolve("localhost", { family = "ipv4" }))
    assert.same({ "::1" }, asocket.resolve("::1"))
    local list, _, code = asocket.resolve("no-such-name.invalid")
    assert.is_nil(list)
    assert.equal("ENOTFOUND", code)
  end)

  it("refuses limits that are none", function()
    local soft = asocket.getMaxFiles()
    for _, bad in ipairs { 0, -1, 0 / 0, 1.5, "100" } do
      assert.has_error(function()
        asocket.setMaxFiles(bad)
      end)
    end
    assert.equal(soft, asocket.setMaxFiles(soft, true))
    local ok, message = pcall(asocket.setMaxFiles, 1 << 40, { silent = false })
    assert.is_false(ok)
    assert.matches("asked for %d+.*got %d+.*ulimit.*LimitNOFILE", message)
    asocket.setMaxFiles(soft)
  end)

  it("names the options it knows when it does not know one", function()
    local ok, message = pcall(asocket.listen, "127.0.0.1:0", { on_date = print })
    assert.is_false(ok)
    assert.matches('unknown listen option "on_date".*on_data', message)
  end)
end)
