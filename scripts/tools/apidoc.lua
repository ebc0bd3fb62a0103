-- SPDX-License-Identifier: MIT
-- Writes the API reference to standard output, from the annotations of
-- scripts/meta and scripts/lib:
--
--   lua5.4 scripts/tools/apidoc.lua > scripts/API.md

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local annotations = require "annotations"

local all = annotations.read_project()
local out = {}

local function put(fmt, ...)
  out[#out + 1] = select("#", ...) > 0 and fmt:format(...) or fmt
end

-- The anchors that hosts of Markdown give headings, each told apart from the
-- like ones before it. Headings are given to `announce` in their order.
local anchors, taken = {}, {}

local function announce(what, heading)
  local slug = heading:lower():gsub("[^%w%-_ ]", ""):gsub(" ", "-")
  local times = taken[slug]
  taken[slug] = (times or 0) + 1
  anchors[what] = times and slug .. "-" .. times or slug
end

local function code(s)
  return "`" .. s .. "`"
end

-- One line of a list; the rest of a longer text indented below it.
local function put_item(head, text)
  text = text or ""
  put("- %s%s", head, text ~= "" and ": " .. text:gsub("\n", "\n  ") or "")
end

local function item_head(item)
  return code(item.name) .. " " .. code(item.type) .. (item.optional and ", optional" or "")
end

local function module_of(class)
  return class.name:match("^[^.]+")
end

local function is_module(class)
  return class.name == module_of(class)
end

-- "conn" for asocket.connection: the variable its stub uses.
local function subject(class)
  if is_module(class) then
    return class.name
  end
  local variable = class.variable ~= "M" and class.variable
  return variable and variable:lower() or class.name:match("[^.]+$")
end

local function signature(class, fn)
  local names = {}
  for name in fn.args:sub(2, -2):gmatch("[%w_.]+") do
    for _, param in ipairs(fn.params) do
      if param.name == name and param.optional then
        name = "[" .. name .. "]"
        break
      end
    end
    names[#names + 1] = name
  end
  return ("%s%s%s(%s)"):format(subject(class), fn.method and ":" or ".", fn.name,
    table.concat(names, ", "))
end

local function put_text(text)
  if text and text ~= "" then
    put(text)
    put("")
  end
end

local function put_function(class, fn)
  put("#### %s", signature(class, fn))
  put("")
  put_text(fn.text)
  for _, param in ipairs(fn.params) do
    put_item(item_head(param), param.text)
  end
  for _, result in ipairs(fn.returns) do
    put_item("returns " .. (result.name and code(result.name) .. " " or "") .. code(result.type),
      result.text)
  end
  for _, overload in ipairs(fn.overloads) do
    put_item("also " .. code(overload))
  end
  if #fn.params + #fn.returns + #fn.overloads > 0 then
    put("")
  end
end

local function put_class(class)
  put("### %s", class.name)
  put("")
  put_text(class.text)
  if class.parent then
    put("Has all that [%s](#%s) has.", class.parent, anchors[all.classes[class.parent]])
    put("")
  end
  if #class.fields > 0 then
    for _, field in ipairs(class.fields) do
      put_item(item_head(field), field.text)
    end
    put("")
  end
  for _, fn in ipairs(class.functions) do
    put_function(class, fn)
  end
end

-- A class below an inner one ("atools.runner.options") is inner too.
local function is_inner(class)
  local outer = all.classes[class.name:match("^(.*)%.") or ""]
  return class.inner or outer ~= nil and is_inner(outer)
end

-- Modules in the order their stubs and files were read, each with its classes.
local function group()
  local modules, by_name = {}, {}
  for _, name in ipairs(all.order) do
    local class = all.classes[name]
    local module = module_of(class)
    if not by_name[module] then
      by_name[module] = { name = module, classes = {} }
      modules[#modules + 1] = by_name[module]
    end
    if not is_inner(class) then
      table.insert(by_name[module].classes, class)
    end
  end
  table.sort(modules, function(a, b)
    local first = { atools = 1, asocket = 2, lightsql = 3 }
    local x, y = first[a.name] or 9, first[b.name] or 9
    return x < y or x == y and a.name < b.name
  end)
  for _, module in ipairs(modules) do
    for i, class in ipairs(module.classes) do -- the module itself comes first
      if class.name == module.name then
        table.insert(module.classes, 1, table.remove(module.classes, i))
      end
    end
  end
  return modules
end

local function announce_all(modules)
  for _, module in ipairs(modules) do
    announce(module, "Module " .. module.name)
    for _, class in ipairs(module.classes) do
      announce(class, class.name)
      for _, fn in ipairs(class.functions) do
        announce(fn, signature(class, fn))
      end
    end
  end
end

local function put_contents(modules)
  for _, module in ipairs(modules) do
    put("- [%s](#%s)", module.name, anchors[module])
    for _, class in ipairs(module.classes) do
      local links = {}
      for _, fn in ipairs(class.functions) do
        links[#links + 1] = ("[%s](#%s)"):format(fn.name, anchors[fn])
      end
      put("  - [%s](#%s)%s", class.name, anchors[class],
        #links > 0 and ": " .. table.concat(links, " · ") or "")
    end
  end
  put("")
end

local function put_aliases()
  if #all.aliases == 0 then
    return
  end
  put("## Types")
  put("")
  for _, alias in ipairs(all.aliases) do
    put("### %s", alias.name)
    put("")
    put_text(alias.text)
    if alias.type ~= "" then
      put_item(code(alias.type))
    end
    for _, value in ipairs(alias.values) do
      put_item(code(value.type), value.text)
    end
    put("")
  end
end

put("# The Lua API of atools")
put("")
put("Written by `make docs` from the annotations in `scripts/meta` and `scripts/lib`: edit them.")
put("")
local modules = group()
announce_all(modules)
put_contents(modules)
for _, module in ipairs(modules) do
  put("## Module %s", module.name)
  put("")
  for _, class in ipairs(module.classes) do
    put_class(class)
  end
end
put_aliases()

local text = table.concat(out, "\n"):gsub("[ \t]+\n", "\n"):gsub("\n\n\n+", "\n\n")
io.write((text:gsub("\n+$", "")), "\n")
