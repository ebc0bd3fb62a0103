-- A TCP proxy: atools-lua scripts/examples/proxy.lua 127.0.0.1:8000 127.0.0.1:7000
local asocket = require "asocket"

local from, to = arg[1], arg[2]
if not to then
  error("usage: proxy.lua ADDRESS TARGET", 0)
end

local listener = assert(asocket.serve(from, function(client)
  local server <close>, message = asocket.connect(to, { timeout = 5 })
  if not server then
    print(("no way to %s: %s"):format(to, message))
    return
  end
  -- both ways, in C, each side slowed down to the other's pace
  local there, back = asocket.relay(client, server)
  if there then
    print(("%d bytes there, %d back"):format(there, back))
  else
    print("cut off: " .. back)
  end
end))
print(("%s -> %s"):format(asocket.address(listener:local_address()), to))
