-- Collects "name value" lines and reports each 5 s:
--   atools-lua scripts/examples/telemetry.lua [address [seconds]]
-- then: echo load 0.5 | nc -N 127.0.0.1 7020
local atools = require "atools"
local asocket = require "asocket"

local series = {} -- name -> { count, sum, least, most }

local function record(name, value)
  local s = series[name]
  if not s then
    series[name] = { count = 1, sum = value, least = value, most = value }
    return
  end
  s.count, s.sum = s.count + 1, s.sum + value
  s.least, s.most = math.min(s.least, value), math.max(s.most, value)
end

local function report()
  local names = {}
  for name in pairs(series) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local s = series[name]
    print(("%-20s %6d x  least %g  mean %g  most %g"):format(
      name, s.count, s.least, s.sum / s.count, s.most))
  end
  series = {}
end

local listener = assert(asocket.listen(arg[1] or "127.0.0.1:7020", {
  frame = "line", max_frame = 256, idle_timeout = 60,
  on_data = function(conn, line)
    local name, value = line:match("^([%w_.-]+)%s+(%S+)$")
    value = tonumber(value)
    if value then
      record(name, value)
    else
      conn:write("expected: name value\n")
    end
  end,
}))
print("collecting on " .. asocket.address(listener:local_address()))
atools.every(tonumber(arg[2] or 5), report)
atools.on_stop(report)
