---@meta asocket
-- SPDX-License-Identifier: MIT
-- What the C half of module asocket provides. Addresses are "127.0.0.1:7000",
-- "[::1]:7000", ":7000", "name:7000" or { host =, port = }. Seconds are
-- numbers, false is "no limit"; expected failures are nil, message, code.

---Non-blocking TCP sockets, for handlers and for tasks.
---@class asocket
local asocket = {}

---How messages lie in a stream; on_data and read_frame then get whole ones.
---@alias asocket.frame "line"|"netstring"|{delimiter: string}|{length: "u16be"|"u32be"|"u16le"|"u32le"|"i16be"|"varint", inclusive: boolean?}|{fixed: integer}

---Options of connections, however they are made.
---@class asocket.options
---@field frame? asocket.frame
---@field max_frame? integer|false bytes of a frame, or of a line that is read; default 8 KiB for lines and delimiters, else 1 MiB
---@field max_read? integer|false bytes of one read; default 16 MiB
---@field idle_timeout? number|false seconds without a byte; default false
---@field write_stall? number|false seconds without progress of queued output, after which the connection is given up; default 30
---@field linger? number|false seconds to wait for the peer's end when closing; default 5
---@field high? integer|false bytes of queued output above which write waits; default 1 MiB
---@field low? integer|false bytes at which on_drain runs; default 256 KiB
---@field cap? integer|false bytes above which enqueue refuses; default 8 MiB
---@field nodelay? boolean default true
---@field keepalive? boolean default true

---Handlers of connections, one table for all of a listener. Each runs on a
---coroutine and may wait; handlers of one connection run one at a time.
---@class asocket.handlers: asocket.options
---@field on_open? fun(conn: asocket.connection)
---@field on_data? fun(conn: asocket.connection, data: string|asocket.buffer) a chunk, or one whole frame
---@field on_drain? fun(conn: asocket.connection) output fell to the low mark
---@field on_end? fun(conn: asocket.connection) the peer half-closed; default: close
---@field on_close? fun(conn: asocket.connection, message: string?, code: string?) last, once; nil: closed here
---@field on_error? fun(conn: asocket.connection, err: any, traceback: string?) a handler raised
---@field buffers? boolean on_data gets a buffer in place of a string

---@class asocket.listen_options: asocket.handlers
---@field max_connections? integer|false open at once; default false
---@field backlog? integer default 4096
---@field reuse_port? boolean default false
---@field v6only? boolean default false
---@field on_full? "wait"|"refuse" at the limits; default "wait": clients stay in the kernel's queue

---Listens. With handlers each connection is theirs; without, accept hands
---connections to tasks.
---@param address string|table
---@param handlers? asocket.listen_options
---@return asocket.listener|nil
---@return string? message
---@return string? code "EADDRINUSE", "EACCES", "ENOTFOUND", ...
function asocket.listen(address, handlers) end

---Listens and runs fn as a task for each connection, which is closed when fn
---returns. The end of the connection, raised, ends the task quietly.
---@param address string|table
---@param options? asocket.listen_options|fun(conn: asocket.connection) may be left out
---@param fn? fun(conn: asocket.connection)
---@return asocket.listener|nil
---@return string? message
---@return string? code
function asocket.serve(address, options, fn) end

---@class asocket.connect_options: asocket.handlers
---@field timeout? number|false seconds, look-up to established; default 10
---@field bind? string|table local address to connect from

---Connects. With on_open or on_data it returns at once, and what is written
---before it is open is queued; without, it waits.
---@param address string|table
---@param options? asocket.connect_options
---@return asocket.connection|nil
---@return string? message
---@return string? code "ECONNREFUSED", "ETIMEDOUT", "ENOTFOUND", ...
function asocket.connect(address, options) end

---Two connections, each the other's peer.
---@param options? asocket.options of both
---@return asocket.connection|nil
---@return asocket.connection|string other or the message
---@return string? code
function asocket.pair(options) end

---Makes a connection of a connected socket, pipe or terminal, and owns it.
---@param fd integer
---@param options? asocket.handlers
---@return asocket.connection|nil
---@return string? message
---@return string? code
function asocket.adopt(fd, options) end

---Looks a name up; waits.
---@param name string
---@param options? {family: "any"|"ipv4"|"ipv6"|nil, timeout: number|false|nil}
---@return string[]|nil addresses in the order to try them
---@return string? message
---@return string? code "ENOTFOUND", "EDNS", "ETIMEDOUT"
function asocket.resolve(name, options) end

---Host and port as one text, IPv6 in brackets.
---@param host string
---@param port integer
---@return string
function asocket.address(host, port) end

---Undoes address.
---@param text string
---@return string|nil host
---@return integer|string port nil for a unix path; or the message
---@return string? code
function asocket.parse_address(text) end

---The numeric addresses of this machine's interfaces that are up.
---@return string[]|nil
---@return string? message
---@return string? code
function asocket.local_addresses() end

---Asks for a limit of n open descriptors and returns what was got. The hard
---limit is tried only when n exceeds it and is never lowered.
---@param n integer at least 1
---@param options? {silent: boolean?}|boolean silent (default true): what could not be had is logged; false: it raises
---@return integer got
function asocket.setMaxFiles(n, options) end

---The limit of open descriptors.
---@return integer soft
---@return integer hard
function asocket.getMaxFiles() end

---@class asocket.listener_stats
---@field accepted integer
---@field refused integer turned away at a limit
---@field errors integer failed attempts to accept
---@field pauses integer how often descriptors ran short
---@field connections integer open now
---@field paused boolean by pause
---@field starved boolean for want of descriptors

---A listener. It takes fields of your own.
---@class asocket.listener
local listener = {}

---Waits for a connection; for listeners without handlers.
---@param timeout? number|false seconds
---@return asocket.connection|nil
---@return string? message
---@return string? code "ETIMEDOUT", "ECLOSED"
function listener:accept(timeout) end

---@return string host
---@return integer port
---@return string family "ipv4", "ipv6"
function listener:local_address() end

---How many of its connections are open, also once it is closed itself.
---@return integer
function listener:connections() end

---Stops accepting; clients wait in the kernel's queue.
function listener:pause() end

---Goes on accepting.
function listener:resume() end

---What happened so far; kept when it is closed.
---@return asocket.listener_stats
function listener:stats() end

---Replaces the handlers, for open connections too, and the options of later
---ones; those of the listener itself stay. on_data must be in both or neither.
---@param handlers asocket.listen_options
---@return true|nil ok
---@return string? message
---@return string? code
function listener:set_handlers(handlers) end

---Stops listening; open connections outlive it. Idempotent.
function listener:close() end

---@class asocket.connection_stats
---@field bytes_in integer
---@field bytes_out integer
---@field queued integer not yet taken by the kernel
---@field buffered integer received and not yet read
---@field idle number seconds since a byte moved
---@field age number seconds since it opened, or began to connect

---A connection. It takes fields of your own; assigning to a method's name
---raises. Reading and writing wait in the calling task; on a closed one they
---return nil, "closed", "ECLOSED" or why it ended.
---@class asocket.connection
local connection = {}

---Reads a line without ("l") or with ("L") its end, exactly n bytes, or all up
---to the end ("a"). Too long a line, or more than max_read for "a", is
---"EMSGSIZE". Timeout, cancel and "EMSGSIZE" consume nothing; at the end of the
---stream the 4th result is what was left.
---@param format? "l"|"L"|"a"|integer default "l"
---@return string|nil data
---@return string? message
---@return string? code "EOF", "ETIMEDOUT", "EMSGSIZE", "ECONNRESET", ...
---@return string? rest what was left unread
function connection:read(format) end

---Whatever comes next.
---@param max? integer bytes
---@return string|nil data
---@return string? message
---@return string? code
---@return string? rest
function connection:read_some(max) end

---Up to a delimiter, which is dropped.
---@param delimiter string 1 to 32 bytes
---@param max? integer bytes, default 8 KiB
---@return string|nil data
---@return string? message
---@return string? code
---@return string? rest
function connection:read_until(delimiter, max) end

---One frame, as the connection's framing says.
---@return string|nil data
---@return string? message
---@return string? code
---@return string? rest
function connection:read_frame() end

---n bytes, which stay unread.
---@param n integer
---@return string|nil data
---@return string? message
---@return string? code
---@return string? rest
function connection:peek(n) end

---Copies to another connection, in C, until length or the end, which is
---carried over by shutdown; waits.
---@param to asocket.connection
---@param length? integer bytes
---@return integer|nil count
---@return string? message
---@return string? code
---@return integer? copied
function connection:pipe(to, length) end

---Waits until the queue is below the high mark, then queues all of it as one.
---Where nothing can wait it is as enqueue.
---@param ... string|number|asocket.buffer
---@return true|nil ok
---@return string? message
---@return string? code
function connection:write(...) end

---Queues without waiting; over the cap nothing is queued.
---@param ... string|number|asocket.buffer
---@return true|nil ok
---@return integer|string queued bytes, or the message
---@return string? code "ENOBUFS"
function connection:enqueue(...) end

---Writes one message with its framing around it; waits as write does.
---@param data string|number|asocket.buffer
---@return true|nil ok
---@return string? message
---@return string? code "EMSGSIZE" over max_frame, "EPROTO" for what the framing cannot carry
function connection:write_frame(data) end

---Waits until the kernel has taken all that was written.
---@return true|nil ok
---@return string? message
---@return string? code
function connection:flush() end

---Ends the output after what is queued; input goes on.
---@return true|nil ok
---@return string? message
---@return string? code
function connection:shutdown() end

---Bytes not yet taken by the kernel.
---@return integer
function connection:queued() end

---Closes after flushing, without waiting. Idempotent.
function connection:close() end

---Resets the connection and drops what is queued.
function connection:abort() end

---Holds the input: the peer is slowed down.
function connection:pause() end

---Lets input go on.
function connection:resume() end

---Replaces the handlers of this connection; framing and idle_timeout when the
---table has them.
---@param handlers asocket.handlers
---@return true|nil ok
---@return string? message
---@return string? code
function connection:set_handlers(handlers) end

---@return boolean
function connection:is_open() end

---Another framing for what has not been delivered yet.
---@param frame asocket.frame|nil
---@param max? integer bytes
---@return true|nil ok
---@return string? message
---@return string? code
function connection:set_frame(frame, max) end

---Bounds each whole read, write or flush.
---@param seconds number|false
function connection:set_timeout(seconds) end

---Sets a socket option: nodelay, keepalive, quick_ack, reuse_address (booleans),
---keepalive_idle, keepalive_interval, user_timeout, linger (seconds),
---keepalive_count, receive_buffer, send_buffer, unsent_low, max_segment
---(bytes), tos, ttl (hops), priority.
---@param name string
---@param value boolean|number
---@return true|nil ok
---@return string? message
---@return string? code
function connection:set_option(name, value) end

---@param name string
---@return boolean|number|nil value
---@return string? message
---@return string? code
function connection:get_option(name) end

---@return string|nil host
---@return integer|string port
---@return string family "ipv4", "ipv6", "unix"
function connection:peer_address() end

---@return string|nil host
---@return integer|string port
---@return string family "ipv4", "ipv6", "unix"
function connection:local_address() end

---What went through it; kept when it is closed.
---@return asocket.connection_stats
function connection:stats() end

---The descriptor, -1 when closed. It stays the connection's.
---@return integer
function connection:fd() end

---The bytes on_data is called with, shown until the handler returns or waits.
---#buffer is its length, tostring(buffer) makes a string of it, write takes it.
---@class asocket.buffer
local buffer = {}

---As string.sub.
---@param first? integer
---@param last? integer
---@return string
function buffer:sub(first, last) end

---As string.find.
---@param pattern string
---@param init? integer
---@param plain? boolean
---@return integer?
---@return integer?
---@return any ... captures
function buffer:find(pattern, init, plain) end

---As string.byte.
---@param first? integer
---@param last? integer
---@return integer ...
function buffer:byte(first, last) end

return asocket
