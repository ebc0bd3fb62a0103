-- SPDX-License-Identifier: MIT
-- Platforms are told apart in engine/os, at the head of a backend's file and
-- where the runner tunes its process, nowhere else.

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"

local HEAD = 40 -- lines
local PLATFORM = {
  "__linux", "__APPLE__", "__FreeBSD__", "__OpenBSD__", "__NetBSD__", "__sun", "_WIN32",
  "__unix", "__BSD__", "__GLIBC__", "__has_include", "HAVE_",
}

for _, path in ipairs(kit.files("engine bindings", "*.[ch]")) do
  local allowed = path:find("^engine/os/") and math.huge
    or path:find("^engine/loop/backend_") and HEAD
    or path == "bindings/runner_tune.c" and HEAD
    or 0
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    if number > allowed and line:find("^%s*#%s*e?l?if") then
      for _, word in ipairs(PLATFORM) do
        if line:find(word, 1, true) then
          kit.complain("%s:%d: %s", path, number, line)
          break
        end
      end
    end
  end
end

kit.finish()
