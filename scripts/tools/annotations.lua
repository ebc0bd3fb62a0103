-- SPDX-License-Identifier: MIT
-- Reads LuaLS annotations: from the stubs in scripts/meta, which declare the
-- C halves, and from the modules in scripts/lib. A class is whatever has a
-- `---@class`; a module is the class of its own name. Inner: a class marked
-- `---@private`, and a module below another ("atools.ending") without a class.
--
--   classes["asocket.connection"] = {
--     name, parent, text, file, line, variable, inner,
--     fields = { { name, type, text } }, functions = { {
--       name, method, text, line, overloads = { type },
--       params = { { name, type, text, optional } }, returns = { { type, name, text } } } } }

local M = {}

-- A type may hold spaces inside brackets or quotes, after "fun(...):" and
-- around "|": cuts it off the front of `s`, returns it, the rest and whether
-- the rest was marked as text with a "#".
local function cut_type(s)
  local i = 1
  while i <= #s do
    local c = s:sub(i, i)
    local _, stop
    if c == "(" then
      _, stop = s:find("^%b()", i)
    elseif c == "{" then
      _, stop = s:find("^%b{}", i)
    elseif c == "<" then
      _, stop = s:find("^%b<>", i)
    elseif c == '"' then
      _, stop = s:find('^"[^"]*"', i)
    elseif c:find("%s") then
      local _, bar = s:find("^%s*|%s*", i)
      if bar then
        stop = bar
      elseif s:sub(1, i - 1):find("%)?:$") or s:sub(1, i - 1):find("[,|]$") then
        _, stop = s:find("^%s+", i)
      else
        break
      end
    end
    i = (stop or i) + 1
  end
  local rest, marks = s:sub(i):gsub("^%s+", ""):gsub("^[#@]%s*", "")
  return s:sub(1, i - 1), rest, marks > 0
end

local function add_text(item, text)
  item.text = (item.text or "") .. (item.text and item.text ~= "" and "\n" or "") .. text
end

-- One handler per tag: fills the block under construction.
local tags = {}

function tags.class(block, rest)
  rest = rest:gsub("^%(exact%)%s*", "")
  local name, parent = rest:match("^([%w_.]+)%s*:?%s*([%w_.]*)")
  block.class = { name = name, parent = parent ~= "" and parent or nil }
end

function tags.field(block, rest)
  rest = rest:gsub("^public%s+", "")
  if rest:find("^private%s") or rest:find("^protected%s") then
    return
  end
  local name, optional, tail = rest:match("^([%w_]+)(%??)%s+(.*)")
  if not name then
    name, tail = rest:match("^(%b[])%s+(.*)")
    optional = ""
  end
  local kind, text = cut_type(tail)
  local field = { name = name, type = kind, text = text, optional = optional == "?" }
  block.fields[#block.fields + 1] = field
  block.last = field
end

function tags.param(block, rest)
  local name, optional, tail = rest:match("^([%w_.]+)(%??)%s+(.*)")
  local kind, text = cut_type(tail)
  local param = {
    name = name,
    type = kind,
    text = text,
    optional = optional == "?" or kind:find("%?$") ~= nil,
  }
  block.params[#block.params + 1] = param
  block.last = param
end

-- "type name text", "type # text" or "type name, type name".
tags["return"] = function(block, rest)
  repeat
    local kind, tail, marked = cut_type(rest)
    local name, text = tail:match("^([%a_.][%w_.]*)%s*(.*)")
    if marked then
      name, text = nil, tail
    end
    rest = not marked and (text or tail):match("^,%s*(.+)")
    text = rest and "" or (text or tail):gsub("^#%s*", "")
    local item = { type = kind, name = name, text = text }
    block.returns[#block.returns + 1] = item
    block.last = item
  until not rest
end

function tags.alias(block, rest)
  local name, tail = rest:match("^([%w_.]+)%s*(.*)")
  block.alias = { name = name, type = tail, values = {} }
  block.last = block.alias
end

function tags.overload(block, rest)
  block.overloads[#block.overloads + 1] = rest
end

function tags.private(block)
  block.private = true
end
tags.package = tags.private
tags.protected = tags.private

local function new_block(line)
  return { line = line, fields = {}, params = {}, returns = {}, overloads = {} }
end

local function read_comment(block, body)
  local tag, rest = body:match("^@(%a+)%s*(.*)")
  local handler = tag and tags[tag]
  if handler then
    handler(block, rest)
  elseif tag then
    block.last = nil
  elseif body:find("^|") and block.alias then
    local value, text = cut_type((body:gsub("^|%s*", "")))
    table.insert(block.alias.values, { type = value, text = text })
  else
    -- Text after a tag's line belongs to that tag while it is indented.
    local text = body:gsub("^ ", "")
    if block.last and body:find("^%s%s") then
      add_text(block.last, (text:gsub("^%s+", "")))
    else
      add_text(block, text)
    end
  end
end

local function class_of(all, name, file)
  local class = all.classes[name]
  if not class then
    class = { name = name, file = file, fields = {}, functions = {} }
    all.classes[name] = class
    all.order[#all.order + 1] = name
  end
  return class
end

local function end_block(all, file, block, variables, variable)
  if block.class then
    local class = class_of(all, block.class.name, file)
    class.parent = class.parent or block.class.parent
    class.line = class.line or block.line
    class.text = class.text or block.text
    class.inner = class.inner or block.private
    for _, field in ipairs(block.fields) do
      class.fields[#class.fields + 1] = field
    end
    if variable then
      variables[variable] = class
      class.variable = class.variable or variable
    end
  elseif block.alias then
    block.alias.text = block.text
    all.aliases[#all.aliases + 1] = block.alias
  end
end

local function add_function(variables, block, line, number)
  local owner, separator, name, args = line:match("^function%s+([%w_]+)([.:])([%w_]+)%s*(%b())")
  if not owner then
    owner, separator, name, args = line:match("^([%w_]+)([.])([%w_]+)%s*=%s*function%s*(%b())")
  end
  local class = owner and variables[owner]
  if not class or name:find("^_") or block.private then
    return
  end
  class.functions[#class.functions + 1] = {
    name = name,
    method = separator == ":",
    args = args,
    text = block.text,
    params = block.params,
    returns = block.returns,
    overloads = block.overloads,
    line = number,
  }
end

-- Constants: `M.null = ...` below a comment, or a bare `---@type`.
local function add_constant(variables, block, line, kind)
  local owner, name = line:match("^([%w_]+)%.([%w_]+)%s*=")
  local class = owner and variables[owner]
  if class and not name:find("^_") and not block.private then
    class.fields[#class.fields + 1] = { name = name, type = kind or "any", text = block.text or "" }
  end
end

--- Reads one file into `all` (made by M.new). `module`: the name its returned
--- table has when no class says so.
function M.read(all, path, module)
  local variables, number = {}, 0
  local block, kind
  for line in io.lines(path) do
    number = number + 1
    local body = line:match("^%s*%-%-%-(.*)")
    if body and not body:find("^%-") then
      block = block or new_block(number)
      kind = body:match("^@type%s+(.+)") or kind
      if not body:find("^@meta") then
        read_comment(block, body)
      end
    else
      local variable = line:match("^local%s+([%w_]+)%s*=%s*{") or line:match("^([%w_]+)%s*=%s*{")
      if block then
        end_block(all, path, block, variables, variable)
      end
      if variable == "M" and not variables.M and module then
        variables.M = class_of(all, module, path)
        variables.M.inner = module:find(".", 1, true) ~= nil
        variables.M.text = variables.M.text or (block and block.text)
      end
      if line:find("^function%s") or line:find("^[%w_]+%.[%w_]+%s*=%s*function") then
        add_function(variables, block or new_block(number), line, number)
      elseif block and not variable then
        add_constant(variables, block, line, kind)
      end
      block, kind = nil, nil
    end
  end
end

function M.new()
  return { classes = {}, order = {}, aliases = {} }
end

--- All of the project: stubs first, then the Lua modules.
function M.read_project()
  local all = M.new()
  for _, root in ipairs { "scripts/meta", "scripts/lib" } do
    local pipe = assert(io.popen("find " .. root .. " -name '*.lua' 2>/dev/null | LC_ALL=C sort"))
    for path in pipe:lines() do
      local module = path:sub(#root + 2):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      M.read(all, path, module)
    end
    pipe:close()
  end
  return all
end

return M
