-- SPDX-License-Identifier: MIT
-- The runner and the stock interpreter as programs, for specs.

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

--- Runs code to its end in the stock interpreter, which finds the modules of
--- the build; started as that build needs it.
---@param code string
---@return integer code
---@return string out
---@return string err
function M.stock(code)
  local build = os.getenv("ATOOLS_BUILD") or "build"
  local paths = "export LUA_PATH='%s/lua/?.lua;;' LUA_CPATH='%s/lua/?.so;;'; exec %s -e %s"
  local interpreter = os.getenv("ATOOLS_STOCK_LUA") or "lua5.4"
  return process.run(paths:format(build, build, interpreter, process.quote(code)))
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
