-- The Lua part of host.c: line handlers on the host's loop. `host` is the host's own module.
local host = require "host"

return {
  frame = "line",
  on_data = function(conn, line)
    local command, rest = line:match("^(%S+)%s*(.*)$")
    if command == "after" then
      host.sleep(tonumber(rest) or 0) -- this connection waits, the others go on
      conn:write("waited ", rest, " s\n")
    elseif command == "primes" then
      conn:write(("%d primes below %s\n"):format(host.primes(tonumber(rest) or 0), rest))
    else
      conn:write("after SECONDS | primes BELOW\n")
    end
  end,
}
