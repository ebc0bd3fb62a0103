-- SPDX-License-Identifier: MIT
-- Runs spec files with busted inside the engine, in a task, so that specs may
-- wait wherever they like:
--
--   build/atools-lua tests/support/busted.lua [busted's options] SPEC...
--   lua5.4 tests/support/busted.lua SPEC...       (after `make -s lua-env`)
--
-- After the last test nothing may be left: no descriptor and no task that was
-- not there before. Ends with the line "N passed, N failed".

local atools = require "atools"
local asocket = require "asocket" -- once, before busted isolates the files from each other
local lfs = require "lfs"

local function descriptors()
  local open = {}
  for name in lfs.dir("/proc/self/fd") do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and not target:find("^/proc/") then
      open[name] = target
    end
  end
  return open
end

-- What is there now and was not in `before`: { "7 -> socket:[123]", ... }
local function left_behind(before)
  local list = {}
  for name, target in pairs(descriptors()) do
    if before.descriptors[name] == nil then
      list[#list + 1] = "descriptor " .. name .. " -> " .. target
    end
  end
  local tasks = atools.tasks()
  if #tasks > before.tasks then
    list[#list + 1] = (#tasks - before.tasks) .. " tasks"
  end
  return list
end

-- Closing takes a turn or two; a collector's pass may close some more.
local function settle(before)
  local list
  for _ = 1, 100 do
    collectgarbage()
    list = left_behind(before)
    if #list == 0 then
      break
    end
    atools.sleep(0.01)
  end
  return list
end

local function reporter()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local before

  local function show(kind, entry)
    local message = entry.message
    if type(message) ~= "string" then
      message = message == nil and "nil error" or require("pl.pretty").write(message)
    end
    io.write(kind, ": ", entry.name, "\n  ", (message:gsub("\n", "\n  ")), "\n")
    local trace = entry.trace and entry.trace.traceback
    if trace and kind == "ERROR" then
      io.write("  ", (trace:gsub("^\n", ""):gsub("\n", "\n  ")), "\n")
    end
  end

  busted.subscribe({ "suite", "start" }, function()
    -- The loop's own descriptors exist from here on, the spare one included
    -- that the first refusing listener makes it keep.
    assert(asocket.listen("127.0.0.1:0", { on_full = "refuse" })):close()
    atools.sleep(0)
    before = { descriptors = descriptors(), tasks = #atools.tasks() }
    return nil, true
  end)

  busted.subscribe({ "suite", "end" }, function()
    local failed = handler.failuresCount + handler.errorsCount
    for _, entry in ipairs(handler.failures) do
      show("FAILED", entry)
    end
    for _, entry in ipairs(handler.errors) do
      show("ERROR", entry)
    end
    for _, entry in ipairs(handler.pendings) do
      io.write("pending: ", entry.name, "\n")
    end
    local left = failed == 0 and settle(before) or {}
    if #left > 0 then
      io.write("LEFT BEHIND:\n  ", table.concat(left, "\n  "), "\n")
      failed = failed + 1
    end
    io.write(("%d passed, %d failed\n"):format(handler.successesCount, failed))
    io.flush()
    if failed > 0 then
      os.exit(1)
    end
    return nil, true
  end)

  return handler
end

package.preload["busted.outputHandlers.sentence"] = function()
  return reporter
end

local function main()
  require "busted.runner"({ standalone = false, output = "sentence" })
end

if (arg[-1] or ""):find("atools%-lua$") then
  main()
else
  atools.run(main)
end
