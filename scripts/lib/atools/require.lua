-- SPDX-License-Identifier: MIT
-- require, able to wait: modules may connect and query while they load. Each
-- module is loaded once; a second task that wants it waits for the first.

local core = require "atools.core"

local loading = {} -- name -> { task =, waiters = {} }
local wanted = setmetatable({}, { __mode = "k" }) -- task -> the entry it waits for

local function search(name)
  local messages = {}
  if type(package.searchers) ~= "table" then
    error("'package.searchers' must be a table", 4)
  end
  for _, searcher in ipairs(package.searchers) do
    local loader, data = searcher(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      messages[#messages + 1] = "\n\t" .. loader
    end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(messages)), 4)
end

local function load_module(name)
  local loader, data = search(name)
  local value = loader(name, data)
  if value ~= nil then
    package.loaded[name] = value
  elseif package.loaded[name] == nil then
    package.loaded[name] = true
  end
  return package.loaded[name], data
end

-- Whether the entry's task is this one, or waits, over others, for this one.
local function is_cycle(entry, me)
  while entry do
    if entry.task == me then
      return true
    end
    entry = wanted[entry.task]
  end
  return false
end

local function wait_for(name, entry)
  local me = core.current() or false
  if is_cycle(entry, me) then
    error(("loop or previous error loading module '%s'"):format(name), 3)
  end
  local waiter = core.waiter()
  local _ <close> = setmetatable({}, { __close = function()
    wanted[me] = nil
  end })
  wanted[me] = entry
  entry.waiters[#entry.waiters + 1] = waiter
  waiter:wait(nil, "require")
end

--- Loads a module as the standard require does, but may wait.
---@param name string
---@return any module
---@return any? loader_data
return function(name)
  if type(name) == "number" then
    name = tostring(name)
  elseif type(name) ~= "string" then
    local got = name == nil and "no value" or type(name)
    error(("bad argument #1 to 'require' (string expected, got %s)"):format(got), 2)
  end
  while loading[name] do
    wait_for(name, loading[name])
  end
  if package.loaded[name] then
    return package.loaded[name]
  end
  local entry = { task = core.current() or false, waiters = {} }
  -- first, so that whatever fails from here on leaves nobody waiting
  local _ <close> = setmetatable({}, { __close = function()
    loading[name] = nil
    for _, waiter in ipairs(entry.waiters) do
      waiter:wake(true)
    end
  end })
  loading[name] = entry
  local value, data = load_module(name)
  return value, data
end
