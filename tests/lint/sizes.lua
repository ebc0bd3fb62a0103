-- SPDX-License-Identifier: MIT
-- Nothing grows beyond what fits a reader's head: files, functions, parameters.
-- The C is formatted with a function's braces in the first column, so no
-- parser is needed.

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"

local FILE_LINES, FUNCTION_LINES, PARAMETERS = 600, 80, 6

-- Parameters of a declarator: commas of the parentheses after the name. The
-- place for an error's text, last by convention, is not counted.
local function parameters(signature)
  local list = signature:match("[%w_]+%s*(%b())%s*$")
  if not list or list == "(void)" then
    return 0
  end
  local n = 1
  local depth = 0
  for c in list:gmatch("[(),]") do
    if c == "(" then
      depth = depth + 1
    elseif c == ")" then
      depth = depth - 1
    elseif depth == 1 then
      n = n + 1
    end
  end
  return list:find("struct atl_error %*why%)$") and n - 1 or n
end

local function check_c(path)
  local number, start, signature = 0, nil, ""
  for line in io.lines(path) do
    number = number + 1
    if line == "{" then
      start = number
      local n = parameters(signature)
      if n > PARAMETERS then
        kit.complain("%s:%d: %d parameters, %d at most", path, number, n, PARAMETERS)
      end
    elseif line:find("^}") then
      if start and number - start - 1 > FUNCTION_LINES then
        kit.complain("%s:%d: a function of %d lines, %d at most", path, start, number - start - 1,
          FUNCTION_LINES)
      end
      start, signature = nil, ""
    elseif line:find("^#") or line:find("[;/]$") or line == "" then
      signature = ""
    else
      signature = signature .. line .. " "
    end
  end
  if number > FILE_LINES then
    kit.complain("%s: %d lines, %d at most", path, number, FILE_LINES)
  end
end

-- A Lua function ends at the `end` of its own indentation.
local function check_lua(path)
  local number, open = 0, {}
  for line in io.lines(path) do
    number = number + 1
    local indent = #line:match("^ *")
    if line:find("%f[%w]function%f[%W].*%)%s*$") then
      open[indent] = number
    elseif line:find("^ *end%f[%W]") and open[indent] then
      local length = number - open[indent] - 1
      if length > FUNCTION_LINES then
        kit.complain("%s:%d: a function of %d lines, %d at most", path, open[indent], length,
          FUNCTION_LINES)
      end
      open[indent] = nil
    end
  end
  if number > FILE_LINES then
    kit.complain("%s: %d lines, %d at most", path, number, FILE_LINES)
  end
end

for _, path in ipairs(kit.files("engine bindings tests", "*.[ch]")) do
  check_c(path)
end
for _, path in ipairs(kit.files("scripts/lib scripts/tools scripts/examples", "*.lua")) do
  check_lua(path)
end

kit.finish()
