-- Echo by lines, one task per connection: atools-lua scripts/examples/echo_tasks.lua [address]
-- then: nc 127.0.0.1 7000
local asocket = require "asocket"

local listener = assert(asocket.serve(arg[1] or "127.0.0.1:7000", function(conn)
  conn:write("say something, \"bye\" ends\n")
  for line in conn:lines() do
    if line == "bye" then
      break
    end
    conn:write("you said: ", line, "\n")
  end
end))
print("echo on " .. asocket.address(listener:local_address()))
