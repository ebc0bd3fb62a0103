-- SPDX-License-Identifier: MIT
-- Who may include whom. A part of the engine sees the parts it stands on, its
-- own files and the public headers; the bindings see the public headers only,
-- so that whatever they can do a C host can do too.

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"

local BELOW = {
  base = kit.set "",
  parse = kit.set "base",
  os = kit.set "base parse",
  loop = kit.set "base parse os",
  dns = kit.set "base parse os loop",
  net = kit.set "base parse os loop dns",
  tls = kit.set "base parse os loop dns net",
  worker = kit.set "base parse os loop dns net",
  sql = kit.set "base parse os loop dns",
  sim = kit.set "base parse os loop",
}

local function includes(path)
  local list, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    local name = line:match('^%s*#%s*include%s*"([^"]+)"')
    local system = line:match("^%s*#%s*include%s*<([^>]+)>")
    if name or system then
      list[#list + 1] = { name = name, system = system, line = number }
    end
  end
  return list
end

local function engine_may(part, name)
  local directory = name:match("^(.-)/")
  return directory == nil and kit.exists("engine/" .. part .. "/" .. name) -- its own
    or name == "atools.h"
    or directory == "atools"
    or directory == part
    or BELOW[part][directory]
end

local function check_engine(path)
  local part = path:match("^engine/([^/]+)/")
  if part == nil or part == "atools" then -- the public headers include each other
    for _, include in ipairs(includes(path)) do
      if include.name and not kit.exists("engine/atools/" .. include.name:gsub("^atools/", "")) then
        kit.complain("%s:%d: a public header includes %s", path, include.line, include.name)
      end
    end
  elseif not BELOW[part] then
    kit.complain("%s: engine/%s has no place among the layers", path, part)
  else
    for _, include in ipairs(includes(path)) do
      if include.name and not engine_may(part, include.name) then
        kit.complain("%s:%d: %s may not include %s", path, include.line, part, include.name)
      elseif include.system and include.system:find("^lua") then
        kit.complain("%s:%d: no Lua in the engine", path, include.line)
      end
    end
  end
end

for _, path in ipairs(kit.files("engine", "*.[ch]")) do
  check_engine(path)
end
for _, path in ipairs(kit.files("bindings", "*.[ch]")) do
  for _, include in ipairs(includes(path)) do
    local name = include.name
    if name and name ~= "atools.h" and not kit.exists("bindings/" .. name) then
      kit.complain("%s:%d: bindings may not include %s", path, include.line, name)
    end
  end
end
for _, path in ipairs(kit.files("engine bindings", "*.[ch]")) do
  for _, include in ipairs(includes(path)) do
    if include.name and include.name:find("%.c$") then
      kit.complain("%s:%d: includes a source file", path, include.line)
    end
  end
end

kit.finish()
