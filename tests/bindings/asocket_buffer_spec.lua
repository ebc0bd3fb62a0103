-- SPDX-License-Identifier: MIT
-- The buffer that on_data gets with `buffers = true`.

local atools = require "atools"
local sockets = require "tests.support.sockets"

describe("a buffer", function()
  local listener, box

  sockets.leave_nothing(before_each, after_each, function()
    listener:close()
  end)

  before_each(function()
    box = sockets.mailbox()
  end)

  -- Sends `bytes` to a server whose handler is fn; waits until it has run.
  local function with(bytes, fn, options)
    local handlers = { buffers = true, frame = { length = "u32be" } }
    for key, value in pairs(options or {}) do
      handlers[key] = value
    end
    function handlers.on_data(conn, buffer)
      local ok, err = pcall(fn, buffer, conn)
      box:post(ok, err)
    end
    listener = sockets.listen(handlers)
    local client <close> = sockets.connect(listener)
    client:write(string.pack(">s4", bytes))
    local ok, err = box:take()
    if not ok then
      error(err, 0)
    end
  end

  it("reads like a string", function()
    local text = "hello, wide world\0."
    with(text, function(b)
      assert.equal(#text, #b)
      assert.equal(text, tostring(b))
      assert.equal(text, b:sub())
      for i = -25, 25 do
        assert.equal(text:sub(i), b:sub(i))
        for j = -25, 25 do
          assert.equal(text:sub(i, j), b:sub(i, j))
        end
        assert.same({ text:byte(i) }, { b:byte(i) })
      end
      assert.same({ text:byte(1, -1) }, { b:byte(1, -1) })
      assert.equal(text:sub(math.mininteger, math.maxinteger),
        b:sub(math.mininteger, math.maxinteger))
    end)
  end)

  it("is searched like a string", function()
    local text = "one.two.three\0four."
    with(text, function(b)
      for _, call in ipairs {
        { "two" }, { "." }, { ".", 1, true }, { ".", 5, true }, { ".", -1, true },
        { "%.(%a+)" }, { "four", 1 }, { "nowhere" }, { "", 4 }, { "", 20 }, { "", 21 },
        { "", 19, true }, { "e", 100, true }, { "three\0f" }, { "\0%a" }, { text },
        { text .. "x" }, { "o", -3 }, { "t", 6 }, { "^one" }, { "^two" }, { "one", -100 },
      } do
        assert.same({ text:find(table.unpack(call)) }, { b:find(table.unpack(call)) })
      end
    end)
  end)

  it("may be empty", function()
    with("", function(b)
      assert.equal(0, #b)
      assert.equal("", tostring(b))
      assert.equal("", b:sub(1, 5))
      assert.is_nil(b:find("x"))
      assert.same({ 1, 0 }, { b:find("") })
    end)
  end)

  it("is written without becoming a string", function()
    listener = sockets.listen {
      buffers = true,
      frame = { fixed = 3 },
      on_data = function(conn, b)
        conn:write("<", b, ">")
        conn:enqueue(b)
      end,
    }
    local client <close> = sockets.connect(listener)
    client:write("abc")
    assert.equal("<abc>abc", client:read(8))
  end)

  it("echoes large messages whole", function()
    listener = sockets.listen {
      buffers = true,
      on_data = function(conn, b)
        conn:write(b)
      end,
    }
    local noise = sockets.noise(sockets.amount(5 << 20), 5)
    local client <close> = sockets.connect(listener)
    local task = atools.spawn(function()
      client:write(noise)
      client:shutdown()
    end)
    assert.is_true(client:read("a") == noise)
    assert.is_true(task:join(sockets.soon))
  end)

  it("is kept by a write that has to wait", function()
    listener = sockets.listen {
      buffers = true,
      frame = { fixed = 4 },
      high = 1,
      on_data = function(conn, b)
        conn:enqueue(("f"):rep(sockets.plenty))
        conn:write(b)
        box:post(pcall(tostring, b))
      end,
    }
    local client <close> = sockets.connect(listener)
    client:write("kept")
    assert.equal(sockets.plenty, #client:read(sockets.plenty))
    assert.equal("kept", client:read(4))
    local ok, err = box:take()
    assert.is_false(ok)
    assert.matches("valid only until its handler returns or waits", err)
  end)

  it("is over when its handler has returned", function()
    local kept
    with("bytes", function(b)
      kept = b
    end)
    for _, use in ipairs {
      function()
        return #kept
      end,
      function()
        return tostring(kept)
      end,
      function()
        return kept:sub(1)
      end,
      function()
        return kept:find("x")
      end,
    } do
      assert.error_matches(use, "valid only until its handler returns or waits")
    end
    assert.error_matches(function()
      local client <close> = sockets.connect(listener)
      client:write(kept)
    end, "valid only until")
  end)

  it("is over when its handler has waited", function()
    assert.error_matches(function()
      with("bytes", function(b)
        assert.equal("bytes", tostring(b))
        atools.sleep(0)
        return #b
      end)
    end, "valid only until its handler returns or waits")
  end)

  it("takes no fields", function()
    with("x", function(b)
      assert.error(function()
        b.field = 1
      end)
      assert.is_nil(b.field)
    end)
  end)
end)
