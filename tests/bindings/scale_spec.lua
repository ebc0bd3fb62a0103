-- SPDX-License-Identifier: MIT
-- Many connections to one server process, and more clients than descriptors.

local atools = require "atools"
local asocket = require "asocket"
local process = require "tests.support.process"

local backend = atools.info().backend
local slow = tonumber(os.getenv("CHECK_TIMEOUT_SCALE") or 1) > 1
  or os.getenv("ATOOLS_FAULTS") ~= nil

local function launch(limits, script, ...)
  local runner = os.getenv("ATOOLS_LUA") or "build/atools-lua"
  local words = { limits, "exec", runner, "--backend", backend, "scripts/examples/" .. script,
    "127.0.0.1:0", ... }
  return process.start(table.concat(words, " "))
end

local function descriptors(pid)
  local pipe = assert(io.popen(("ls /proc/%d/fd | wc -l"):format(pid)))
  local n = pipe:read("n")
  pipe:close()
  return n
end

-- Clock ticks of CPU time the process has used: fields 14 and 15 of proc(5),
-- counted behind the name in parentheses.
local function cpu_ticks(pid)
  local file = assert(io.open(("/proc/%d/stat"):format(pid)))
  local rest = file:read("a"):match("%) (.*)")
  file:close()
  local fields = {}
  for word in rest:gmatch("%S+") do
    fields[#fields + 1] = word
  end
  return tonumber(fields[12]) + tonumber(fields[13])
end

local function checksum(text)
  local sum = 17
  for i = 1, #text do
    sum = (sum * 31 + text:byte(i)) % 4294967291
  end
  return sum
end

describe("many connections on " .. backend, function()
  local child

  after_each(function()
    child:kill("KILL")
    child:wait()
  end)

  it("each exchange ten checksummed messages, with one descriptor each", function()
    local count = backend == "select" and 900 or slow and 2000 or 9000
    asocket.setMaxFiles(count + 200)
    child = launch("", "c10k_server.lua", count)
    local port = child:expect("serving on %S+:(%d+)")
    local before = descriptors(child.pid)
    local slots, start = atools.channel(200), atools.channel()
    local open, right = 0, 0
    local crowd <close> = atools.group()
    for id = 1, count do
      crowd:spawn(function()
        slots:send(true)
        local conn <close> = atools.check(asocket.connect("127.0.0.1:" .. port, { timeout = 60 }))
        slots:receive()
        open = open + 1
        start:receive()
        for round = 1, 10 do
          local text = ("%d/%d"):format(id, round)
          local line = text .. " " .. checksum(text)
          conn:write(line, "\n")
          if atools.check(conn:read()) == line then
            right = right + 1
          end
        end
      end)
    end
    while open < count and not crowd.failure do
      atools.sleep(0.02)
    end
    -- connected is not yet accepted
    local give_up = atools.now() + 30
    while descriptors(child.pid) < before + count and atools.now() < give_up do
      atools.sleep(0.1)
    end
    assert.equal(before + count, descriptors(child.pid))
    start:close()
    assert.is_true(assert(crowd:join()))
    assert.equal(count * 10, right)
  end)
end)

describe("more clients than descriptors on " .. backend, function()
  local child

  after_each(function()
    child:kill("KILL")
    child:wait()
  end)

  it("are served in turn, without spinning or a flood of messages", function()
    child = launch("ulimit -n 64;", "echo.lua")
    local port = child:expect("127%.0%.0%.1:(%d+)")
    local answered, conns = 0, {}
    local crowd <close> = atools.group()
    for id = 1, 200 do
      crowd:spawn(function()
        local conn = atools.check(asocket.connect("127.0.0.1:" .. port))
        conns[id] = conn
        conn:write(id, "\n")
        if atools.check(conn:read()) == tostring(id) then
          answered = answered + 1
        end
        conn.answered = true
      end)
    end
    -- all slots are taken: nothing happens for a while
    local last
    repeat
      last = answered
      atools.sleep(0.5)
    until answered == last and answered > 0
    assert.is_true(answered < 64)
    local ticks, lines = cpu_ticks(child.pid), select(2, child:err():gsub("\n", ""))
    atools.sleep(3)
    assert.is_true(cpu_ticks(child.pid) - ticks <= (slow and 30 or 6), "more than 2 % of a CPU")
    assert.is_true(select(2, child:err():gsub("\n", "")) - lines <= 4, "more than a line a second")
    -- as slots become free the others get in
    local give_up = atools.now() + 60
    while answered < 200 and atools.now() < give_up do
      for _, conn in pairs(conns) do
        if conn.answered then
          conn:close()
        end
      end
      atools.sleep(0.05)
    end
    assert.equal(200, answered)
    assert.is_true(assert(crowd:join()))
  end)
end)
