-- SPDX-License-Identifier: MIT
-- What the lints share: finding files, reading them, telling what is wrong.

local M = {}

local count = 0

--- Tells one thing that breaks a rule.
function M.complain(fmt, ...)
  print(fmt:format(...))
  count = count + 1
end

--- Ends the program: status 1 when something was told.
function M.finish()
  os.exit(count == 0)
end

--- Lines a shell command prints.
function M.lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do
    list[#list + 1] = line
  end
  pipe:close()
  return list
end

--- Files below directories (those that exist) whose names match a shell pattern.
function M.files(directories, pattern)
  return M.lines_of(("find %s -type f -name '%s' 2>/dev/null | sort"):format(directories, pattern))
end

function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function M.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

--- { a = true, b = true } of "a b".
function M.set(words)
  local set = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end

return M
