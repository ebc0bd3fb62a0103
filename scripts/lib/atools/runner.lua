-- SPDX-License-Identifier: MIT
-- What build/atools-lua does once the loop is there: the part of lua.c that
-- can be said in Lua. It runs as a task, so everything in it may wait.

local atools = require "atools"
local core = require "atools.core"
local ending = require "atools.ending"
local prompt = require "atools.prompt"
local stop = require "atools.stop"

local M = {}

---@class atools.runner.options
---@field actions { [1]: "code"|"module", [2]: string }[] in the order given
---@field listen string[]
---@field script string? a path, or "-" for standard input
---@field interactive boolean
---@field init boolean whether LUA_INIT is looked at
---@field finish fun(code: integer) ends the process when the turn is over

--- Writes a line to stderr the way lua does.
---@param message string
local function complain(message)
  io.stdout:flush()
  io.stderr:write("atools-lua: ", message, "\n")
end

-- The runner's own frames below the user's say nothing to the user.
local function trim(traceback)
  traceback = traceback:gsub("\n%s+%[C%]: in function 'x?pcall'(\n%s+atools/runner%.lua:)", "%1")
  return (traceback:gsub("\n%s+atools/runner%.lua:[^\n]*", ""))
end

--- A message handler: what was raised, with a traceback. Error objects that
--- have text show it; as in lua.c, others are named by their type.
---@param err any
---@return string
function M.traceback(err)
  local text = err
  if type(err) ~= "string" then
    local meta = getmetatable(err)
    if type(meta) == "table" and meta.__tostring then
      text = tostring(err)
    else
      text = ("(error object is a %s value)"):format(type(err))
    end
  end
  return trim(debug.traceback(text, 2))
end

-- Results of fn, or reports and raises the end of the run.
local Failed = {}
local function protected(fn, ...)
  local results = table.pack(xpcall(fn, M.traceback, ...))
  if not results[1] then
    complain(results[2])
    error(Failed, 0)
  end
  return table.unpack(results, 2, results.n)
end

-- lua shows syntax errors and missing files without a traceback.
local function compiled(chunk, message)
  if not chunk then
    complain(message)
    error(Failed, 0)
  end
  return chunk
end

local function run_init()
  local name = "LUA_INIT_5_4"
  local init = os.getenv(name)
  if not init then
    name = "LUA_INIT"
    init = os.getenv(name)
  end
  if not init then
    return
  end
  if init:sub(1, 1) == "@" then
    protected(compiled(loadfile(init:sub(2))))
  else
    protected(compiled(load(init, "=" .. name)))
  end
end

local function run_action(kind, text)
  if kind == "code" then
    protected(compiled(load(text, "=(command line)")))
    return
  end
  local name, module = text:match("^([^=]*)=(.*)$")
  name, module = name or text, module or text
  -- as lua 5.4.4: a version suffix is no part of the global's name
  _G[name:match("^[^-]*")] = protected(require, module)
end

local function run_script(path)
  local chunk = compiled(loadfile(path ~= "-" and path or nil))
  return protected(chunk, table.unpack(arg))
end

local function listen_all(addresses, service)
  local asocket = require "asocket"
  local kind = type(service)
  if kind ~= "table" and kind ~= "function" then
    complain("--listen: the script must return a table of handlers or a function, not " .. kind)
    error(Failed, 0)
  end
  local open = kind == "table" and asocket.listen or asocket.serve
  for _, address in ipairs(addresses) do
    local listener, message = protected(open, address, service)
    if not listener then
      complain(message)
      error(Failed, 0)
    end
    local host, port = listener:local_address()
    local where = port and asocket.address(host, port) or "unix:" .. host
    io.stderr:write("atools-lua: listening on ", where, " (", atools.info().backend, ")\n")
  end
end

local function run(options)
  if options.init then
    run_init()
  end
  for _, action in ipairs(options.actions) do
    run_action(action[1], action[2])
  end
  local service
  if options.script then
    service = run_script(options.script)
  end
  if #options.listen > 0 then
    listen_all(options.listen, service)
  end
  if options.interactive then
    prompt.run()
    atools.stop()
  end
end

--- Does what the command line asked for.
---@param options atools.runner.options
function M.main(options)
  local ok, err = pcall(run, options)
  if not ok then
    if err ~= Failed then
      complain(tostring(err))
    end
    options.finish(1)
    return
  end
  collectgarbage() -- connections the script let go of unclosed keep the loop
end

--- Begins an orderly end, for a signal.
---@param signal string its name
---@return boolean? ignored true: it was for the prompt
function M.stop(signal)
  if prompt.interrupt(signal) then
    return true
  end
  atools.stop()
  atools.after(1, function() -- most are gone by then, and nothing is to be said
    local left = atools.stats()
    local text = "%s: stopping, %d s for what is at work (tasks: %d, connections: %d)"
    atools.log("info", text:format(signal, stop.drain, left.tasks - 1, left.streams))
  end):unref()
end

--- When the loop has nothing to do any more.
---@param stopped boolean whether it was told so
---@return integer? code nil: it has something to do again
function M.ended(stopped)
  if not stopped and ending.goes_on() then
    return nil
  end
  core.report()
  local stuck = not stopped and ending.stuck()
  if stuck then
    complain(trim(stuck))
    return 1
  end
  return stop.code
end

return M
