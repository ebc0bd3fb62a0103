-- Many connections, each with checked messages, to c10k_server.lua:
--   atools-lua scripts/examples/c10k_client.lua [port [count [rounds]]]
local atools = require "atools"
local asocket = require "asocket"

local port, count = tonumber(arg[1] or 7010), tonumber(arg[2] or 10000)
local rounds = tonumber(arg[3] or 3)
local got = asocket.setMaxFiles(count + 100)
local opened, answered, failed, reasons = 0, 0, 0, {}
local slots = atools.channel(200) -- so many connects at a time
local everyone = atools.channel()  -- closed once all are connected

local function fail(message)
  failed = failed + 1
  reasons[message] = (reasons[message] or 0) + 1
end

local function converse(id)
  slots:send(true)
  -- one address pair has some 28,000 ports: beyond that, use more of 127/8
  local conn <close>, message = asocket.connect(("127.0.0.%d:%d"):format(1 + id // 20000, port),
    { timeout = 30 })
  slots:receive()
  if not conn then
    return fail(message)
  end
  opened = opened + 1
  everyone:receive()
  for round = 1, rounds do
    local line = ("%d says %d"):format(id, round)
    conn:write(line, "\n")
    local answer, why = conn:read()
    if answer ~= line then
      return fail(why or "a wrong answer: " .. answer)
    end
    answered = answered + 1
  end
end

local start = atools.now()
local crowd = atools.group()
for id = 1, count do
  crowd:spawn(converse, id)
end
while opened + failed < count do
  atools.sleep(0.05)
end
print(("%d connected in %.2f s (%d open files allowed)"):format(opened, atools.now() - start, got))
start = atools.now()
everyone:close()
crowd:join()
print(("%d messages answered in %.2f s, %d failed"):format(answered, atools.now() - start, failed))
for reason, times in pairs(reasons) do
  print(("  %d x %s"):format(times, reason))
end
os.exit(failed == 0)
