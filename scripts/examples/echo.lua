-- Echo in callback style: atools-lua scripts/examples/echo.lua [address]
-- then: nc 127.0.0.1 7000
local asocket = require "asocket"

local listener = assert(asocket.listen(arg[1] or "127.0.0.1:7000", {
  on_data = function(conn, bytes)
    conn:write(bytes)
  end,
  on_close = function(conn, message)
    local stats = conn:stats()
    print(("%s:%d left after %d bytes%s"):format(conn.host, conn.port, stats.bytes_in,
      message and ": " .. message or ""))
  end,
  on_open = function(conn)
    conn.host, conn.port = conn:peer_address()
  end,
}))
print("echo on " .. asocket.address(listener:local_address()))
