#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes sure that the packages a task needs are there:
#
#   deps.sh build|test|lint|bench|fuzz|valgrind ...
#
# What is present is found by asking for the thing itself, not for a package,
# so other systems work too once they have it. On Debian the missing packages
# are installed, as root or through sudo; else the command is printed.
set -u

missing=
need() { # package, then a test of its presence
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
command_v() { command -v "$1"; }
lua_module() { # below Lua's own directories, without starting Lua
    ls /usr/share/lua/5.4/"$1" /usr/lib/*/lua/5.4/"$1" \
        /usr/local/share/lua/5.4/"$1" /usr/local/lib/lua/5.4/"$1" |
        grep -q . # ls fails if any is missing, grep if all are
}
clang_runtime() { ls "$(clang --print-runtime-dir)"/libclang_rt.fuzzer*; }

for set in "$@"; do
    case $set in
    build)
        case ${CC:-cc} in
        *clang*) need clang command_v clang ;;
        *) need gcc command_v "${CC:-cc}" ;;
        esac
        need binutils command_v ar
        need libc6-dev test -e /usr/include/stdio.h
        need pkg-config command_v pkg-config
        need liblua5.4-dev pkg-config --exists lua5.4
        need lua5.4 command_v lua5.4
        ;;
    test)
        need lua-busted lua_module busted/core.lua
        need lua-cjson lua_module cjson.so
        need netcat-openbsd command_v nc
        need strace command_v strace
        need procps command_v ps
        ;;
    valgrind)
        need valgrind command_v valgrind
        ;;
    lint)
        need lua-check command_v luacheck
        need clang command_v clang
        need clang-format command_v clang-format
        ;;
    fuzz)
        need clang command_v clang
        need libclang-rt-dev clang_runtime
        ;;
    bench)
        need libuv1-dev pkg-config --exists libuv
        ;;
    *)
        echo "deps.sh: no such set: $set" >&2
        exit 2
        ;;
    esac
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null; then
    echo "missing, install the like of these Debian packages:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=sudo
else
    echo "packages are missing; as root:" >&2
    echo "  apt-get update && $install" >&2
    exit 1
fi
echo "installing:$missing" >&2
# On a fresh machine the lists of packages may be empty.
{
    $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive $install
} >&2
