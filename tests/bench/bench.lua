-- SPDX-License-Identifier: MIT
-- Speed and memory beside raw C, libuv and luv, in one run on one machine:
--   lua5.4 tests/bench/bench.lua BUILD quick|full [PART OF A TABLE'S NAME]
-- Servers share one CPU, the load has another. Exits 1 when a byte came back
-- wrong or a connection failed; a missed target is told, not a failure.
package.path = "tests/bench/?.lua;" .. package.path
local processes = require "processes"
local compare = require "compare"
local report = require "report"

local build, mode, only = arg[1] or "build", arg[2] or "quick", arg[3] or ""
local full = mode == "full"
local SECONDS = full and 0.2 or 0.1
local OWN = full and 20 or 6 -- pairs for a verdict
local PEER = full and 8 or 2 -- pairs for a comparison

local function program(name)
  return build .. "/bench/" .. name
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local function lua_server(style, backend)
  return ("%s/atools-lua --backend %s tests/bench/echo.lua %s"):format(build, backend, style)
end

local function wanted(title)
  return title:lower():find(only:lower(), 1, true) ~= nil
end

local backends = {}

local function find_backends()
  local output <close> = assert(io.popen(build .. "/atools-lua --list-backends"))
  for line in output:lines() do
    backends[#backends + 1] = line:match("^%S+")
  end
end

-- --- echo ----------------------------------------------------------------------

-- Servers are started once and serve all shapes they fit.
local started = {}

local function server(command)
  started[command] = started[command] or processes.server(command)
  return started[command]
end

local function add(list, name, command, rounds, target)
  list[#list + 1] = {
    name = name, process = server(command), rounds = rounds, target = target,
  }
end

-- Rows whose messages are chunks as they come.
local function chunk_servers(shape)
  local list, t = {}, shape.targets or {}
  local own = shape.minor and math.ceil(OWN / 2) or OWN
  add(list, "raw", program("raw_echo epoll"), own)
  list[2] = { name = "raw C again (noise)", rounds = own,
    process = processes.server(program("raw_echo epoll")) }
  for i, backend in ipairs(backends) do
    local rounds = i == 1 and own or PEER
    local target = i == 1 and t or {}
    add(list, backend .. " engine, C", program("engine_echo " .. backend), rounds)
    add(list, backend .. " handlers", lua_server("handlers", backend), rounds, target.handlers)
    add(list, backend .. " handlers, buffers", lua_server("buffers", backend), rounds,
      target.buffers)
    add(list, backend .. " tasks", lua_server("tasks", backend), rounds, target.tasks)
  end
  if exists(program("uv_echo")) then
    add(list, "libuv C", program("uv_echo"), PEER)
    add(list, "libuv C, uv_try_write", program("uv_echo try"), PEER)
  end
  if os.execute("lua5.4 -e 'require \"luv\"' 2>/dev/null") then
    add(list, "luv", "lua5.4 tests/bench/luv_echo.lua", PEER)
  end
  return list
end

-- Rows whose messages are lines, cut and sent back one by one.
local function line_servers(shape)
  local list, t, best = {}, shape.targets or {}, backends[1]
  add(list, "raw", program("raw_echo epoll lines"), OWN)
  list[2] = { name = "raw C again (noise)", rounds = OWN,
    process = processes.server(program("raw_echo epoll lines")) }
  add(list, best .. " engine, C", program("engine_echo " .. best .. " lines"), OWN)
  add(list, best .. " handlers", lua_server("lines", best), OWN, t.handlers)
  add(list, best .. " handlers, buffers", lua_server("line_buffers", best), OWN)
  add(list, best .. " tasks", lua_server("line_tasks", best), OWN)
  return list
end

local SMALL = { handlers = 0.95, tasks = 0.88 }
local LARGE = { handlers = 0.90, buffers = 0.95, tasks = 0.90 }
local SHAPES = {
  { "64 connections, 64 B", connections = 64, size = 64, targets = SMALL },
  { "64 connections, 16 KiB", connections = 64, size = 16384, targets = LARGE },
  { "512 connections, 64 B", connections = 512, size = 64, targets = SMALL, long = true },
  { "512 connections, 16 KiB", connections = 512, size = 16384, minor = true, long = true },
  { "1 connection, 64 B", connections = 1, size = 64, minor = true, long = true },
  { "1 connection, 16 KiB", connections = 1, size = 16384, minor = true, long = true },
  { "64 connections, 32 x 64 B at once", connections = 64, size = 64, depth = 32,
    targets = { handlers = 0.90 } },
  { "lines: 64 connections, 64 B", connections = 64, size = 64, lines = true },
  { "lines: 64 connections, 32 x 64 B at once", connections = 64, size = 64, depth = 32,
    lines = true, targets = { handlers = 0.90 } },
  { "connect, echo, close: 64 at once", connections = 64, connects = true,
    targets = { handlers = 0.95, tasks = 0.95 } },
}

local function echo(load)
  for _, shape in ipairs(SHAPES) do
    shape.title = shape[1]
    if wanted(shape.title) and (full or not shape.long) then
      local servers = shape.lines and line_servers(shape) or chunk_servers(shape)
      report.rows(compare.echo(load, shape, servers, SECONDS, report.progress),
        shape.connects and "us/conn" or nil)
      servers[2].process:close()
    end
  end
  for _, process in pairs(started) do
    process:close()
  end
end

-- --- connections that do nothing -------------------------------------------------

local BUSY = 100

-- 100 busy connections alone and, at another copy of the server, among `idle`
-- others; a load generator for each, as they hold descriptors too.
local function crowd(name, command, idle, rounds, target)
  local alone <close> = processes.server(command)
  local among <close> = processes.server(command)
  local first <close> = processes.load()
  local second <close> = processes.load()
  report.progress(("%s: opening %d"):format(name, idle))
  first:ask("open", "alone", alone.pid, alone.address, BUSY)
  second:ask("open", "among", among.pid, among.address, BUSY + idle)
  local function work(load, group)
    return function()
      return load:ask("work", group, BUSY, 64, 1, SECONDS)
    end
  end
  local rows = compare.run(("%d busy among %d idle, against alone"):format(BUSY, idle),
    work(first, "alone"), {
      { name = name, rounds = rounds, target = target, measure = work(second, "among") },
    }, report.progress)
  return rows[1]
end

local function hard_limit()
  local output <close> = assert(io.popen("ulimit -Hn"))
  return tonumber(output:read()) or 1000000 -- "unlimited"
end

local function idle()
  local best = backends[1]
  local most = math.min(19000, hard_limit() - 64 - BUSY - 100)
  for _, count in ipairs(full and { 9000, most } or { 9000 }) do
    count = math.min(count, most)
    local title = ("%d busy among %d idle"):format(BUSY, count)
    if wanted(title) then
      local rows = {
        crowd("raw C, none idle (noise)", program("raw_echo epoll"), 0, OWN),
        crowd("raw C", program("raw_echo epoll"), count, OWN),
        crowd(best .. " engine, C", program("engine_echo " .. best), count, OWN),
        crowd(best .. " handlers", lua_server("handlers", best), count, OWN),
        crowd(best .. " tasks", lua_server("tasks", best), count, OWN),
      }
      -- flat means: what raw C keeps of its speed we keep too
      for i = 3, #rows do
        rows[i].target = 0.95 * math.min(1, rows[2].eff)
        rows[i].title = rows[2].title
      end
      rows[1].title = rows[2].title
      report.rows(rows)
    end
  end
end

local function memory()
  local title = "memory of an idle connection"
  if not wanted(title) then
    return
  end
  local best = backends[1]
  local servers = {
    { "raw C", program("raw_echo epoll") },
    { best .. " engine, C", program("engine_echo " .. best) },
    { best .. " handlers", lua_server("handlers", best), 512 },
    { best .. " tasks", lua_server("tasks", best), 2048 },
  }
  if exists(program("uv_echo")) then
    servers[#servers + 1] = { "libuv C", program("uv_echo") }
  end
  report.print("")
  report.print(title)
  for _, count in ipairs(full and { 5000, 9000 } or { 5000 }) do
    count = math.min(count, hard_limit() - 400)
    for _, s in ipairs(servers) do
      local process <close> = processes.server(s[2])
      local load <close> = processes.load()
      load:ask("open", "g", process.pid, process.address, 200)
      local before = process:memory()
      load:ask("open", "g", process.pid, process.address, 200 + count)
      report.value(title, ("%s, %d open"):format(s[1], count),
        (process:memory() - before) / count, "B", s[3])
    end
  end
end

-- --- timers, tasks ---------------------------------------------------------------

local function timers()
  local title = "timers"
  if not wanted(title) then
    return
  end
  report.print("")
  report.print("timers, ns of CPU time each")
  for _, who in ipairs { "Lua", "C" } do
    local command = who == "Lua" and build .. "/atools-lua tests/bench/timers.lua"
      or program("engine_timers")
    for _, count in ipairs { 1000, 10000, 100000, full and 1000000 or nil } do
      report.progress(("timers: %s, %d"):format(who, count))
      local line = processes.lines(command .. " " .. count)[1] or "nothing"
      local insert, fire, cancel, bytes =
        line:match("insert (%d+) fire (%d+) cancel (%d+) bytes (%d+)")
      if not insert then
        error("timers: said " .. line, 0)
      end
      local judged = who == "Lua" and count == 1000000
      local name = ("%s, %d: "):format(who, count)
      report.value(title, name .. "insert", tonumber(insert), "ns", judged and 300 or nil)
      report.value(title, name .. "fire", tonumber(fire), "ns", judged and 800 or nil)
      report.value(title, name .. "cancel", tonumber(cancel), "ns")
      report.value(title, name .. "size", tonumber(bytes), "B")
    end
  end
end

local function tasks()
  local title = "tasks and channels"
  if not wanted(title) then
    return
  end
  report.progress(title)
  local lines = processes.lines(build .. "/atools-lua tests/bench/tasks.lua")
  report.print("")
  report.print(title .. ", ns of CPU time each")
  for _, line in ipairs(lines) do
    local name, ns = line:match("^(%S+) (%d+)$")
    report.value(title, name, tonumber(ns), "ns")
  end
end

local function run()
  processes.init(build)
  report.init(build .. "/bench")
  find_backends()
  report.print("%s run of %s, backends: %s", mode, os.date("%Y-%m-%d %H:%M"),
    table.concat(backends, " "))
  report.print("eff is raw C's CPU time per message over that of the row, the median of pairs.")
  do
    local load <close> = processes.load()
    echo(load)
  end
  idle()
  memory()
  timers()
  tasks()
  report.headline()
  report.print("")
  report.print("%d wrong bytes, %d errors; %s/bench/result.txt and .tsv", processes.wrong,
    processes.errors, build)
end

local good, why = xpcall(run, debug.traceback)
processes.close_all()
if not good then
  io.stderr:write("\nbench: ", why, "\n")
end
os.exit(good and processes.wrong + processes.errors == 0)
