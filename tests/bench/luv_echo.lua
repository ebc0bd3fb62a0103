-- SPDX-License-Identifier: MIT
-- A peer: echo in callbacks over libuv's Lua binding, by the stock interpreter:
-- lua5.4 tests/bench/luv_echo.lua
local uv = require "luv"

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(4096, function(err)
  assert(not err, err)
  local client = uv.new_tcp()
  server:accept(client)
  client:nodelay(true)
  client:read_start(function(failure, bytes)
    if failure or not bytes then
      client:close()
    else
      client:write(bytes)
    end
  end)
end))
print("ready " .. server:getsockname().port)
io.stdout:flush()
uv.run()
