-- SPDX-License-Identifier: MIT
-- Methods of connections that are better said in Lua.

local core = require "asocket.core"
local error_object = require("atools.core").error

local read = core.methods().read
local write = core.methods().write

---@class asocket.connection
local M = {}

--- Iterates over what `read(fmt)` returns, until the peer ends. A clean end
--- ends the loop; anything else (also an end in the middle of what was asked
--- for) raises the error object.
---@param fmt? "l"|"L"|integer default "l"
---@return fun(): string?
function M:lines(fmt)
  return function()
    local data, message, code, rest = read(self, fmt)
    if data == nil and not (code == "EOF" and rest == "") then
      error(error_object(message, code), 2)
    end
    return data
  end
end

local CHUNK = 128 * 1024

local function no_file(message, errno)
  return nil, message, core.errno_name(errno), 0
end

-- Copies what is left of `file`, at most `length` bytes.
local function copy(conn, file, length)
  local sent = 0
  while sent < length do
    local chunk, message, errno = file:read(math.min(CHUNK, length - sent))
    if not chunk then
      if message then
        return nil, message, core.errno_name(errno), sent
      end
      break
    end
    local ok, problem, code = write(conn, chunk)
    if not ok then
      return nil, problem, code, sent
    end
    sent = sent + #chunk
  end
  return sent
end

--- Writes a file, or a part of it, piece by piece; waits as `write` does.
--- Reading the file itself blocks: keep it for files that are in the system's
--- cache or on a fast disk.
---@param path string
---@param offset? integer first byte, from 0 (the default)
---@param length? integer default: to the end of the file
---@return integer|nil count bytes queued; less than length when the file ended
---@return string? message
---@return string? code
---@return integer? count on failure
function M:send_file(path, offset, length)
  offset, length = offset or 0, length or math.maxinteger
  if math.type(offset) ~= "integer" or offset < 0 then
    error("bad argument #2 to 'send_file' (integer from 0 expected)", 2)
  elseif math.type(length) ~= "integer" or length < 0 then
    error("bad argument #3 to 'send_file' (integer from 0 expected)", 2)
  end
  local file, message, errno = io.open(path, "rb")
  if not file then
    return no_file(message, errno)
  end
  local held <close> = file
  file:setvbuf("no")
  if offset > 0 then
    local at, problem, number = file:seek("set", offset)
    if not at then
      return no_file(problem, number)
    end
  end
  return copy(self, held, length)
end

return M
