---@meta atools
-- SPDX-License-Identifier: MIT
-- What the C half of module atools provides. Seconds are numbers everywhere;
-- expected failures are nil, message, code; wrong use raises.

---The engine: tasks, time, signals, and what is going on.
---@class atools
local atools = {}

---Starts a task: it runs from the loop, after the caller has gone on, first in
---first out with the others. A failure that nobody joins is reported.
---@param fn function
---@param ... any its arguments
---@return atools.task
function atools.spawn(fn, ...) end

---The running task; nil outside of tasks.
---@return atools.task?
function atools.current() end

---Waits; 0 lets all that is ready go first.
---@param seconds number
---@return true
function atools.sleep(seconds) end

---Runs fn with a limit on every wait inside: on expiry the current wait, and
---every later one, raises.
---@param seconds number|false false: no limit
---@param fn function
---@param ... any its arguments
---@return any ... fn's results, or nil, "timeout", "ETIMEDOUT"
function atools.deadline(seconds, fn, ...) end

---Runs fn with cancel and outer deadlines held back, for at most that long:
---for cleaning up.
---@param seconds number|false
---@param fn function
---@param ... any its arguments
---@return any ... fn's results
function atools.shield(seconds, fn, ...) end

---Runs fn once, after a delay.
---@param seconds number
---@param fn function
---@param ... any its arguments
---@return atools.timer
function atools.after(seconds, fn, ...) end

---Runs fn again and again, on the grid start + k * seconds; late ticks are
---skipped and counted.
---@param seconds number more than 0
---@param fn function
---@param ... any its arguments
---@return atools.timer
function atools.every(seconds, fn, ...) end

---Runs fn soon, when what is running has returned to the loop: first in first
---out with the tasks that are ready.
---@param fn function
---@param ... any its arguments
---@return atools.timer
function atools.defer(fn, ...) end

---Handles a signal of the process in place of what it did before, until the
---object is closed.
---@param name string "SIGHUP" or "HUP"
---@param fn fun(name: string)
---@return atools.signal|nil
---@return string? message
---@return string? code
function atools.signal(name, fn) end

---The monotonic clock.
---@return number seconds
function atools.now() end

---The wall clock.
---@return number seconds since 1970
function atools.time() end

---Sets who hears of errors that no on_error of an object took: the log is the
---default. Errors in fn itself are logged.
---@param fn? fun(object: any, err: any, traceback: string?) nil: the log
function atools.on_error(fn) end

---Sets where the log goes, stderr by default. fn cannot wait.
---@param fn? fun(level: "info"|"warning"|"error", text: string) nil: stderr
function atools.on_log(fn) end

---Writes a line to the log; control bytes are escaped.
---@param level "info"|"warning"|"error"
---@param text string
function atools.log(level, text) end

---What this engine is: version, lua, backend, backends (a list), tls, sql, dns,
---max_files.
---@return table
function atools.info() end

---Counters since the start (turns, events, accepted, connected, closed,
---bytes_in, bytes_out, accept_pauses, failures, network_errors, ...) and what is
---open now (streams, listeners, timers, tasks, files, memory in bytes, ...).
---@return table<string, integer>
function atools.stats() end

---Every task: { task, kind, status, waits, traceback }.
---@return table[]
function atools.tasks() end

---Adds a function that runs, as a task, when the engine is stopped.
---@param fn function
function atools.on_stop(fn) end

---Whether the engine is being stopped.
---@return boolean
function atools.stopping() end

---A channel: values handed from task to task. With capacity 0 send and receive
---meet; otherwise up to that many values lie in between.
---@param capacity? integer default 0
---@return atools.channel
function atools.channel(capacity) end

---A group of tasks that end together, for a `<close>` variable.
---@return atools.group
function atools.group() end

---A task. It takes fields of your own.
---@class atools.task
local task = {}

---Waits for the task's end. An error without a code has "ESCRIPT".
---@param timeout? number seconds
---@return true|nil ok
---@return any ... its results, or message, code, and what was raised
function task:join(timeout) end

---Raises an error object with code "ECANCELED" where the task waits, and at
---every later wait.
---@param reason? string the message, default "cancelled"
---@return boolean done false: it had ended
function task:cancel(reason) end

---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled"
function task:status() end

---Where a live task is, or where a failed one failed.
---@return string?
function task:traceback() end

---A channel. Values come out in the order in which they were sent.
---@class atools.channel
local channel = {}

---Hands over a value; waits until it is received or there is room for it.
---@param value any not nil
---@param timeout? number seconds
---@return true|nil ok
---@return string? message
---@return string? code "ETIMEDOUT", "ECLOSED"
function channel:send(value, timeout) end

---The next value; waits for one.
---@param timeout? number seconds
---@return any value nil when it failed
---@return string? message
---@return string? code "ETIMEDOUT", "ECLOSED": closed and empty
function channel:receive(timeout) end

---Ends the channel: who waits to send fails, receivers get what lies in it,
---then fail. Idempotent.
function channel:close() end

---Iterates over the values until the channel is closed and empty.
---@return fun(): any
function channel:values() end

---A timer. The loop keeps it until it has fired or was closed. It takes fields
---of your own.
---@class atools.timer
local timer = {}

---Stops it. Idempotent.
function timer:close() end

---Starts it anew, also when it has fired or was closed.
---@param seconds? number default: its interval, or at once
---@return true|nil ok
---@return string? message
---@return string? code
function timer:again(seconds) end

---Lets the process end while it is pending.
---@return atools.timer self
function timer:unref() end

---Ticks skipped because the loop or the handler was late.
---@return integer
function timer:missed() end

---A signal handler; it does not keep the process alive.
---@class atools.signal
local signal = {}

---Restores what the signal did before. Idempotent.
function signal:close() end

---What checks and expired waits raise; tostring gives the message.
---@class atools.error
---@field message string
---@field code string "ETIMEDOUT", "ECANCELED", "EOF", ...
---@field detail any

---The inside of a deadline or shield.
---@private
---@class atools.scope

---One place where one task waits until it is woken with values.
---@private
---@class atools.waiter
local waiter = {}

---Waits to be woken.
---@param timeout? number seconds
---@param what? string what tasks() says it waits for
---@return any ... the values of wake, or nil, "timeout", "ETIMEDOUT"
function waiter:wait(timeout, what) end

---Wakes it, once, also before it waits.
---@param ... any
---@return boolean first false: it had been woken
function waiter:wake(...) end

---Whether a task waits here that nobody has woken.
---@return boolean
function waiter:waiting() end

return atools
