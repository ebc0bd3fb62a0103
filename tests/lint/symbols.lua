-- SPDX-License-Identifier: MIT
-- What the compiled objects ask of the system: only engine/os calls the
-- kernel, only base/mem.c allocates, nothing in the engine exits or prints,
-- and the bindings reach the engine through its public functions alone.
--
--   lua5.4 symbols.lua BUILD

package.path = "tests/lint/?.lua;" .. package.path
local kit = require "kit"
local objects = arg[1] .. "/obj/"

local SYSTEM = kit.set [[
  socket socketpair bind listen accept accept4 connect shutdown close close_range
  recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg
  read readv pread pread64 preadv write writev pwrite pwrite64 pwritev sendfile sendfile64 splice
  open open64 openat openat64 creat pipe pipe2 dup dup2 dup3 fcntl fcntl64 ioctl
  stat fstat lstat stat64 fstat64 lstat64 unlink rename mkdir chmod chdir isatty
  poll ppoll select pselect eventfd signalfd syscall
  setsockopt getsockopt getsockname getpeername
  clock_gettime gettimeofday time nanosleep clock_nanosleep usleep sleep
  sigaction signal sigprocmask sigwait sigtimedwait kill raise tgkill
  fork vfork execve execv execvp posix_spawn wait waitpid waitid getpid getppid
  getrlimit setrlimit prlimit getrlimit64 setrlimit64 prlimit64 prctl
  getrandom getentropy arc4random_buf rand random srand
  mmap munmap mremap mprotect madvise
  getaddrinfo freeaddrinfo gethostbyname getifaddrs freeifaddrs
  fopen fopen64 fread fgets fclose
]]
local SYSTEM_PREFIXES = { "^epoll_", "^timerfd_", "^inotify_", "^io_uring_", "^pthread_", "^sem_" }

local MEMORY = kit.set [[
  malloc free calloc realloc reallocarray strdup strndup asprintf vasprintf __asprintf_chk
  __vasprintf_chk posix_memalign aligned_alloc memalign getline
]]
local NEVER = kit.set [[
  exit _exit _Exit abort quick_exit atexit
  printf vprintf puts putchar putc fputc_unlocked stdout perror __printf_chk __vprintf_chk
  strcpy strcat sprintf vsprintf gets strtok localtime gmtime
]]

local function is_system(name)
  if SYSTEM[name] then
    return true
  end
  for _, prefix in ipairs(SYSTEM_PREFIXES) do
    if name:find(prefix) then
      return true
    end
  end
  return false
end

-- name -> true; kind "U" needed, "T" and the like defined. Names lose what
-- fortified headers and symbol versions put around them.
local function symbols(object, kinds)
  local set = {}
  for _, line in ipairs(kit.lines_of("nm " .. object)) do
    local kind, name = line:match("(%a) ([%w_.]+)")
    if kind and kinds:find(kind, 1, true) then
      name = name:match("^__(.+)_chk$") or name:match("^__isoc99_(.+)") or name
      set[name] = true
    end
  end
  return set
end

local function object_of(source)
  local object = objects .. source:gsub("%.c$", ".o")
  if not kit.exists(object) then
    kit.complain("%s is missing: build first", object)
    return nil
  end
  return object
end

for _, source in ipairs(kit.files("engine", "*.c")) do
  local object = object_of(source)
  local os_part = source:find("^engine/os/") ~= nil
  for name in pairs(object and symbols(object, "U") or {}) do
    if not os_part and is_system(name) then
      kit.complain("%s calls %s: system calls belong in engine/os", source, name)
    elseif MEMORY[name] and source ~= "engine/base/mem.c" then
      kit.complain("%s calls %s: memory comes from base/mem.h", source, name)
    elseif NEVER[name] then
      kit.complain("%s uses %s: never in the engine", source, name)
    end
  end
end

local own = {}
local sources = kit.files("bindings", "*.c")
for _, source in ipairs(sources) do
  local object = object_of(source)
  for name in pairs(object and symbols(object, "TDBRVWCdrbt") or {}) do
    own[name] = true
  end
end
for _, source in ipairs(sources) do
  local object = object_of(source)
  for name in pairs(object and symbols(object, "U") or {}) do
    if name:find("^atl__") and not own[name] then
      kit.complain("%s uses %s: the public headers lack something", source, name)
    end
  end
end

kit.finish()
