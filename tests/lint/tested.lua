-- SPDX-License-Identifier: MIT
-- Tests mirror the tree: every source of the engine has a C test of its own,
-- every Lua module a spec, every parser a fuzz target.

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"

-- Tested through another file: why.
local ONE_FOR_ALL = "backend_test.c runs each case on every backend"
local ELSEWHERE = {
  ["engine/loop/backends.c"] = ONE_FOR_ALL,
  ["engine/loop/backend_epoll.c"] = ONE_FOR_ALL,
  ["engine/loop/backend_poll.c"] = ONE_FOR_ALL,
  ["engine/loop/backend_select.c"] = ONE_FOR_ALL,
}

local function expect(source, test)
  if not ELSEWHERE[source] and not kit.exists(test) then
    kit.complain("%s has no %s", source, test)
  elseif ELSEWHERE[source] and kit.exists(test) then
    kit.complain("%s has %s: take it off the list of exceptions", source, test)
  end
end

for _, source in ipairs(kit.files("engine", "*.c")) do
  expect(source, "tests/" .. source:gsub("%.c$", "_test.c"))
end
for _, source in ipairs(kit.files("engine/parse", "*.c")) do
  local fuzz = "tests/fuzz/" .. source:match("([^/]+)%.c$") .. "_fuzz.c"
  if not kit.exists(fuzz) then
    kit.complain("%s has no %s", source, fuzz)
  end
end
for _, source in ipairs(kit.files("scripts/lib", "*.lua")) do
  expect(source, "tests/" .. source:gsub("%.lua$", "_spec.lua"))
end
for source in pairs(ELSEWHERE) do
  if not kit.exists(source) then
    kit.complain("%s is an exception and does not exist", source)
  end
end

kit.finish()
