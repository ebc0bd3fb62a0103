-- SPDX-License-Identifier: MIT
-- The runner as a program, for specs.

local process = require "tests.support.process"

local M = {}

M.path = os.getenv("ATOOLS_LUA") or "build/atools-lua"

--- The shell's words that start it with these arguments.
---@return string command
function M.quoted(...)
  local words = { "exec", process.quote(M.path) }
  for _, word in ipairs { ... } do
    words[#words + 1] = process.quote(word)
  end
  return table.concat(words, " ")
end

--- Runs it to its end.
---@return integer code
---@return string out
---@return string err
function M.run(...)
  return process.run(M.quoted(...))
end

local files = {}

--- A file with this text, until clean.
---@param text string
---@return string path
function M.script(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  files[#files + 1] = path
  return path
end

--- Removes the files of script: for after_each.
function M.clean()
  for _, path in ipairs(files) do
    os.remove(path)
  end
  files = {}
end

return M
