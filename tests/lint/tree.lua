-- SPDX-License-Identifier: MIT
-- The top level is a fixed list, and no file speaks of the machine it was
-- written on or leaves work for later.

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"

local TOP = kit.set [[
  engine bindings scripts tests Makefile LICENSE README.md
  .busted .ci .clang-format .editorconfig .gitignore .luacheckrc .luarc.json
]]

-- Tracked files where there is a repository; everything but the build else.
local files = kit.lines_of "git ls-files -co --exclude-standard 2>/dev/null"
if #files == 0 then
  files = kit.lines_of [=[find . \( -name build -o -name .git \) -prune -o -type f -printf '%P\n']=]
end

-- Bracketed, so that this list does not find itself.
local FORBIDDEN = {
  { "/ho[m]e/%w+/", "a path of one machine" },
  { "[\"'%s=]/roo[t]/", "a path of one machine" },
  { "[\"'%s=]/wor[k]/", "a path of one machine" },
  { "%f[%w]TO[D]O%f[%W]", "work left for later" },
  { "%f[%w]FIXM[E]%f[%W]", "work left for later" },
  { "%f[%w]XX[X]%f[%W]", "work left for later" },
}

local seen = {}
for _, path in ipairs(files) do
  local top = path:match("^[^/]+")
  if not TOP[top] and not seen[top] then
    seen[top] = true
    kit.complain("%s does not belong at the top level", top)
  end
  local text = kit.exists(path) and kit.read(path) or ""
  if not path:find("^tests/fuzz/corpus/") and not text:find("\0", 1, true) then
    local number = 0
    for line in text:gmatch("([^\n]*)\n") do
      number = number + 1
      for _, rule in ipairs(FORBIDDEN) do
        if line:find(rule[1]) then
          kit.complain("%s:%d: %s: %s", path, number, rule[2], line)
        end
      end
      if line:find("[ \t\r]$") and not path:find("%.md$") then
        kit.complain("%s:%d: white space at the end of the line", path, number)
      end
    end
    if text ~= "" and text:sub(-1) ~= "\n" then
      kit.complain("%s: no newline at the end", path)
    end
  end
end

kit.finish()
