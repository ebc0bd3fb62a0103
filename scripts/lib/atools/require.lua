-- SPDX-License-Identifier: MIT
-- require, able to wait: modules may connect and query while they load. Each
-- module is loaded once; a second task that wants it waits for the first.

local core = require "atools.core"

local loading = {} -- name -> { task =, waiters = {} }

local function search(name)
  local messages = {}
  for _, searcher in ipairs(package.searchers) do
    local loader, data = searcher(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      messages[#messages + 1] = loader
    end
  end
  local text = table.concat(messages, "\n\t")
  error(("module '%s' not found:%s%s"):format(name, text ~= "" and "\n\t" or "", text), 3)
end

local function finish(name, entry)
  loading[name] = nil
  for _, waiter in ipairs(entry.waiters) do
    waiter:wake(true)
  end
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

local function wait_for(name, entry)
  if entry.task == core.current() then
    error(("loop or previous error loading module '%s'"):format(name), 3)
  end
  local waiter = core.waiter()
  entry.waiters[#entry.waiters + 1] = waiter
  waiter:wait(nil, "require")
end

--- Loads a module as the standard require does, but may wait.
---@param name string
---@return any module
---@return any? loader_data
local function require_waiting(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
  end
  while loading[name] do
    wait_for(name, loading[name])
  end
  if package.loaded[name] ~= nil then
    return package.loaded[name]
  end
  local entry = { task = core.current(), waiters = {} }
  loading[name] = entry
  local guard <close> = setmetatable({}, {
    __close = function()
      finish(name, entry)
    end,
  })
  local value, data = load_module(name)
  return value, data, guard and nil
end

return require_waiting
