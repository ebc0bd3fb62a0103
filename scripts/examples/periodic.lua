-- Several things at their own pace, some cancelled: atools-lua scripts/examples/periodic.lua
local atools = require "atools"

local start = atools.now()
local function note(...)
  print(("%5.2f"):format(atools.now() - start), ...)
end

-- every keeps to its grid however long the function takes; what it missed is counted
local beats = 0
local heart = atools.every(0.1, function()
  beats = beats + 1
end)

-- a function may wait: no tick overlaps with the one before it
local slow
slow = atools.every(0.2, function()
  note("slow begins")
  atools.sleep(0.3)
  note("slow ends", "ticks missed: " .. slow:missed())
end)

-- a task can do the same with a loop, and be cancelled from outside
local worker = atools.spawn(function()
  while true do
    note("worker")
    atools.sleep(0.25)
  end
end)

local never = atools.after(5, note, "this never happens")

atools.after(1, function()
  note("cancelling", "beats: " .. beats)
  heart:close()
  slow:close()
  never:close()
  worker:cancel("enough")
  local _, message, code = worker:join()
  note("worker ended", message, code)
end)
