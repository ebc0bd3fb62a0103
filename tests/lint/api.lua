-- SPDX-License-Identifier: MIT
-- Compares what the modules have with what their stubs declare, both ways:
-- nothing undocumented, nothing imaginary. Run by build/atools-lua.

package.path = "tests/lint/?.lua;scripts/tools/?.lua;" .. package.path
local kit = require "kit"
local all = require "annotations".read_project()

-- Names the stubs give to a class: its functions and its own fields.
local function declared(class)
  local set = {}
  for _, fn in ipairs(class.functions) do
    set[fn.name] = fn.method and "method" or "function"
  end
  for _, field in ipairs(class.fields) do
    set[field.name] = set[field.name] or "field"
  end
  if class.parent and all.classes[class.parent] then
    for name, kind in pairs(declared(all.classes[class.parent])) do
      set[name] = set[name] or kind
    end
  end
  return set
end

local function compare(name, class, real, what)
  local names = declared(class)
  for key in pairs(real) do
    if type(key) == "string" and not key:find("^_") and not names[key] then
      kit.complain("%s %s.%s is not declared in %s", what, name, key, class.file)
    end
  end
  for key, kind in pairs(names) do
    if real[key] == nil and kind ~= "field" then
      kit.complain("%s.%s is declared in %s and does not exist", name, key, class.file)
    end
  end
end

-- Methods are in a plain __index table, or in an upvalue of a C __index.
local function methods_of(metatable)
  local index = metatable.__index
  if type(index) == "function" then
    for i = 1, 255 do
      local name, value = debug.getupvalue(index, i)
      if name == nil then
        return nil
      elseif type(value) == "table" then
        return value
      end
    end
  end
  return index
end

local registry = debug.getregistry()
local objects = 0

for _, name in ipairs(all.order) do
  local class = all.classes[name]
  local found, module = pcall(require, name)
  if found and type(module) == "table" then
    compare(name, class, module, "function")
  elseif type(registry[name]) == "table" then
    objects = objects + 1
    local methods = methods_of(registry[name])
    if methods then
      compare(name, class, methods, "method")
    elseif #class.functions > 0 then
      kit.complain("%s: its methods cannot be found", name)
    end
  elseif #class.functions > 0 then
    kit.complain("%s: neither a module nor a class of objects", name)
  end
end

-- Classes of objects nobody declared.
for name, value in pairs(registry) do
  if type(name) == "string" and type(value) == "table" and value.__name == name
    and (name:find("^atools%.") or name:find("^asocket%.") or name:find("^lightsql%."))
    and not all.classes[name] then
    kit.complain("objects of class %s are not declared", name)
  end
end

kit.finish()
