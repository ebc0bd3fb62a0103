-- SPDX-License-Identifier: MIT
-- Peers that misbehave hurt nobody but themselves; many peers at once; bytes
-- copied from one to the other.

local atools = require "atools"
local asocket = require "asocket"
local sockets = require "tests.support.sockets"

describe("a peer", function()
  local listener

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  -- The server all of them talk to, in both styles.
  local STYLES = {
    handlers = function()
      return sockets.listen {
        frame = "line",
        high = 100000,
        on_data = function(conn, line)
          conn:write(line:rep(1000), "\n")
        end,
        on_close = function() end,
      }
    end,
    tasks = function()
      return sockets.serve({ high = 100000 }, function(conn)
        for line in conn:lines() do
          assert(conn:write(line:rep(1000), "\n"))
        end
      end)
    end,
  }

  local function healthy()
    local client <close> = sockets.connect(listener, { max_frame = false })
    client:set_timeout(sockets.soon)
    for i = 1, 5 do
      assert(client:write(i, "\n"))
      assert.equal(tostring(i):rep(1000), client:read())
    end
  end

  local MISCHIEF = {
    ["resets at once"] = function(client)
      client:abort()
    end,
    ["resets in the middle of a line"] = function(client)
      client:write("half a li")
      client:flush()
      atools.sleep(0.002)
      client:abort()
    end,
    ["resets while it is answered"] = function(client)
      client:write(("x\n"):rep(500))
      client:read_some()
      client:abort()
    end,
    ["half-closes and reads on"] = function(client)
      client:write("last\n")
      client:shutdown()
      assert.equal(4001, #client:read("a"))
    end,
    ["sends a byte at a time"] = function(client)
      for c in ("slow\n"):gmatch(".") do
        client:write(c)
        client:flush()
        atools.sleep(0.001)
      end
      assert.equal(4000, #client:read())
    end,
    ["sends too long a line"] = function(client)
      client:write(("l"):rep(20000), "\n")
      client:read("a")
    end,
    ["sends what is no text"] = function(client)
      client:write("\0\xff\0\n")
      assert.equal(3000, #client:read())
    end,
  }

  for style, start in pairs(STYLES) do
    for name, act in pairs(MISCHIEF) do
      it(("of %s that %s"):format(style, name), function()
        listener = start()
        sockets.logged(function()
          local clients = {}
          for i = 1, 5 do
            clients[i] = sockets.connect(listener, { max_frame = false })
            act(clients[i])
          end
          healthy()
          for i = 1, 5 do
            clients[i]:close()
          end
        end)
      end)
    end

    it(("of %s that stops reading is not read, and loses nothing"):format(style), function()
      listener = start()
      local client <close> = sockets.connect(listener, { max_frame = false, high = false })
      local total = sockets.amount(20000) -- answers of 1 KB, far more than all buffers hold
      local sent = ("x\n"):rep(total)
      client:enqueue(sent:sub(1, total // 5 * 2))
      local writing = atools.spawn(function()
        client:write(sent:sub(total // 5 * 2 + 1))
      end)
      healthy()
      local before = atools.stats().memory
      atools.sleep(0.05)
      assert.is_true(atools.stats().memory - before < 4 << 20)
      for _ = 1, total do
        assert.equal(1000, #assert(client:read()))
      end
      assert.is_true(writing:join(sockets.soon))
    end)
  end

  it("that floods does not keep others from being served", function()
    listener = sockets.listen {
      on_data = function(conn, bytes)
        conn:write(bytes)
      end,
    }
    local flooding = true
    local piece = ("f"):rep(65536)
    local flood <close> = sockets.connect(listener)
    local writer = atools.spawn(function()
      while flooding and flood:write(piece) do -- luacheck: ignore
      end
    end)
    local reader = atools.spawn(function()
      while flood:read_some() do -- luacheck: ignore
      end
    end)
    local client <close> = sockets.connect(listener)
    for i = 1, 50 do
      local before = atools.now()
      client:write(i)
      assert.equal(tostring(i), client:read(#tostring(i)))
      assert.is_true(atools.now() - before < 1)
    end
    flooding = false
    flood:abort() -- closing would send what is queued
    assert.is_true(writer:join(sockets.soon))
    assert.is_true(reader:join(sockets.soon))
  end)
end)

describe("many peers", function()
  local listener

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  local COUNT = 450 -- both ends are here: 900 descriptors, as many as select has

  for style, start in pairs {
    handlers = function()
      return sockets.listen {
        on_data = function(conn, bytes)
          conn:write(bytes)
        end,
      }
    end,
    tasks = function()
      return sockets.serve(function(conn)
        while conn:write(atools.check(conn:read_some())) do -- luacheck: ignore
        end
      end)
    end,
  } do
    it("are served at once by " .. style, function()
      asocket.setMaxFiles(4096)
      listener = start()
      local clients = {}
      for i = 1, COUNT do
        clients[i] = sockets.connect(listener)
      end
      for round = 1, 3 do
        for i, client in ipairs(clients) do
          client:write(i * round, ";")
        end
        for i, client in ipairs(clients) do
          assert.equal(tostring(i * round), client:read_until(";"))
        end
      end
      assert.equal(COUNT, listener:connections())
      for _, client in ipairs(clients) do
        client:close()
      end
      while listener:connections() > 0 do
        atools.sleep(0.001)
      end
    end)
  end

  it("come and go", function()
    listener = sockets.serve(function(conn)
      conn:write(conn:read())
    end)
    local group <close> = atools.group()
    for i = 1, 20 do
      group:spawn(function()
        for j = 1, 20 do
          local client <close> = sockets.connect(listener)
          client:write(i, ",", j, "\n")
          assert(client:read("a") == i .. "," .. j)
        end
      end)
    end
    assert.same({ true }, { group:join() })
    assert.equal(400, listener:stats().accepted)
  end)
end)

describe("pipe", function()
  local open

  sockets.leave_nothing(before_each, after_each, function()
    for _, conn in ipairs(open) do
      conn:abort()
    end
  end)

  local a, b, c, d

  -- What is written to a comes out of b, which is piped into c; d reads it.
  before_each(function()
    a, b = asocket.pair { max_read = false }
    c, d = asocket.pair { max_read = false }
    open = { a, b, c, d }
  end)

  local function piping(...)
    local task = atools.spawn(b.pipe, b, c, ...)
    atools.sleep(0)
    return task
  end

  it("copies to the end and carries it over", function()
    local noise = sockets.noise(sockets.amount(5 << 20), 11)
    local task = piping()
    local writing = atools.spawn(function()
      a:write(noise)
      a:shutdown()
    end)
    assert.is_true(d:read("a") == noise)
    assert.same({ true, #noise }, { task:join(sockets.soon) })
    assert.is_true(writing:join(sockets.soon))
    d:write("back\n")
    assert.equal("back", c:read())
  end)

  it("copies so many bytes and leaves the rest", function()
    a:write("headbodyrest")
    assert.equal("head", b:read(4))
    assert.equal(4, b:pipe(c, 4))
    assert.equal("body", d:read(4))
    assert.equal("rest", b:read(4))
    assert.equal(0, b:pipe(c, 0))
    local task = atools.spawn(function()
      return b:read()
    end)
    atools.sleep(0)
    b:close()
    assert.same({ true, nil, "closed", "ECLOSED" }, { task:join(sockets.soon) })
  end)

  it("echoes, piped to itself", function()
    local task = atools.spawn(b.pipe, b, b)
    a:write("there and back")
    assert.equal("there and back", a:read(14))
    a:shutdown()
    assert.equal("", a:read("a"))
    assert.same({ true, 14 }, { task:join(sockets.soon) })
  end)

  it("slows the source down to the target", function()
    local task = piping()
    local amount = sockets.amount(30 << 20)
    local piece = ("p"):rep(65536)
    local sent = 0
    local writing = atools.spawn(function()
      while sent < amount do
        a:write(piece)
        sent = sent + #piece
      end
      a:shutdown()
    end)
    atools.sleep(0.05)
    assert.is_true(sent < amount or sockets.poor)
    assert.is_true(b:stats().buffered + c:queued() < 3 << 20)
    local got = 0
    repeat
      local bytes = d:read_some()
      got = got + #(bytes or "")
    until not bytes
    assert.equal(sent, got)
    assert.same({ true, sent }, { task:join(sockets.soon) })
    assert.is_true(writing:join(sockets.soon))
  end)

  it("ends when one of the two is closed here", function()
    for _, which in ipairs { "source", "target" } do
      local e, f = asocket.pair()
      local g, h = asocket.pair()
      e:write("12345")
      local task = atools.spawn(f.pipe, f, g)
      assert.equal("12345", h:read(5))
      local closing = which == "source" and f or g
      closing:close()
      assert.same({ true, nil, "closed", "ECLOSED", 5 }, { task:join(sockets.soon) }, which)
      for _, conn in ipairs { e, f, g, h } do
        conn:close()
      end
    end
  end)

  it("tells why it could not go on, and how far it came", function()
    local client, server = sockets.tcp_pair()
    open[#open + 1] = client
    open[#open + 1] = server
    local task = atools.spawn(server.pipe, server, c)
    client:write("123")
    assert.equal("123", d:read(3))
    client:abort()
    assert.same({ true, nil, "connection reset by peer", "ECONNRESET", 3 },
      { task:join(sockets.soon) })
  end)

  it("can be cancelled; both stay open", function()
    local task = piping()
    a:write("1")
    assert.equal("1", d:read(1))
    task:cancel()
    assert.is_nil((task:join(sockets.soon)))
    a:write("2")
    assert.equal("2", b:read(1))
    c:write("3")
    assert.equal("3", d:read(1))
  end)

  it("is the one reader", function()
    local task = piping()
    assert.error_matches(function()
      b:read()
    end, "another task is reading")
    assert.error_matches(function()
      b:pipe(c)
    end, "another task is reading")
    task:cancel()
    task:join()
    assert.error_matches(function()
      b:pipe(5)
    end, "asocket.connection expected")
    assert.error_matches(function()
      b:pipe(c, -1)
    end, "must not be negative")
    c:close()
    assert.same({ nil, "closed", "ECLOSED", 0 }, { b:pipe(c) })
  end)
end)

describe("names and addresses", function()
  it("are put together and taken apart", function()
    for _, case in ipairs {
      { "127.0.0.1", 80, "127.0.0.1:80" },
      { "::1", 8080, "[::1]:8080" },
      { "example.org", 443, "example.org:443" },
      { "", 7, ":7" },
    } do
      assert.equal(case[3], asocket.address(case[1], case[2]))
      assert.same({ case[1], case[2] }, { asocket.parse_address(case[3]) })
    end
    assert.same({ "/run/x", nil }, { asocket.parse_address("unix:/run/x") })
    for _, wrong in ipairs { "", "x", "1.2.3.4:99999", "[::1", "a:b" } do
      local host, message, code = asocket.parse_address(wrong)
      assert.is_nil(host)
      assert.is_string(message)
      assert.equal("EINVAL", code)
    end
    assert.error_matches(function()
      asocket.address("x", 65536)
    end, "0 to 65535")
  end)

  it("are resolved", function()
    assert.same({ "127.0.0.1" }, { asocket.resolve("127.0.0.1")[1] })
    local list = assert(asocket.resolve("localhost", { family = "ipv4", timeout = 5 }))
    assert.same({ "127.0.0.1" }, list)
    local none, message, code = asocket.resolve("no-such-host.invalid")
    assert.is_nil(none)
    assert.is_string(message)
    assert.is_true(code == "ENOTFOUND" or code == "EDNS")
    for _, wrong in ipairs {
      { "x", { family = "ipx" }, "ipx" },
      { "x", { famly = "any" }, 'unknown resolve option "famly"' },
      { ("x"):rep(300), nil, "not a possible host name" },
      { nil, nil, "string expected" },
    } do
      assert.error_matches(function()
        asocket.resolve(wrong[1], wrong[2])
      end, wrong[3])
    end
  end)

  it("of this machine are known", function()
    local found
    for _, address in ipairs(assert(asocket.local_addresses())) do
      found = found or address == "127.0.0.1"
    end
    assert.is_true(found)
  end)
end)
