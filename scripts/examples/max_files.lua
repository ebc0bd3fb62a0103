-- How many sockets can one process have here? atools-lua scripts/examples/max_files.lua [count]
local atools = require "atools"
local asocket = require "asocket"

local want = tonumber(arg[1] or 60000)
local soft, hard = asocket.getMaxFiles()
local got = asocket.setMaxFiles(want, { silent = true })
print(("asked for %d open files, got %d (before: %s, hard limit: %s)"):format(
  want, got, soft, hard))
print(("the %s backend can use %s of them"):format(atools.info().backend, atools.info().max_files))
if got < want then
  print("to get more, raise the hard limit:")
  print("  for a shell, as root:   ulimit -Hn " .. want)
  print("  for a login:            * hard nofile " .. want .. "   in /etc/security/limits.conf")
  print("  for a systemd service:  LimitNOFILE=" .. want)
  print("  for a container:        docker run --ulimit nofile=" .. want)
end
