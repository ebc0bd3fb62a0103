#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs a build into a temporary place and uses it from there, as a stranger
# would: by pkg-config, by the stock interpreter, by the installed runner.
#
#   install_test.sh BUILD
set -u
build=$1 passed=0 failed=0
here=tests/install
root=$(mktemp -d) || exit 2
trap 'rm -rf "$root"' EXIT
prefix=/opt/atools
there=$root$prefix
unset MAKEFLAGS MFLAGS LUA_PATH LUA_CPATH

it() { # sentence, command...
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$sentence" "$output"
    fi
}

install() { make -s BUILD="$build" DESTDIR="$root" PREFIX=$prefix install; }
flags() {
    PKG_CONFIG_PATH=$there/lib/pkgconfig pkg-config "--define-variable=prefix=$there" \
        --cflags --libs "$@"
}
c_host() {
    ${CC:-cc} -Wall -Werror -o "$root/host" $here/host.c $(flags atools) &&
        LD_LIBRARY_PATH=$there/lib "$root/host"
}
static_c_host() {
    local libs
    libs=$(flags --static atools)
    ${CC:-cc} -o "$root/host-static" $here/host.c ${libs/-latools/-l:libatools.a} &&
        "$root/host-static"
}
lua_host() {
    ${CC:-cc} -Wall -Werror -o "$root/embed" $here/embed.c \
        $(flags atools-lua) $(pkg-config --cflags --libs lua5.4) &&
        LD_LIBRARY_PATH=$there/lib "$root/embed"
}
program='require "asocket"; local atools = require "atools"
    atools.run(function() atools.sleep(0.001) end) print "slept"'
stock_lua() {
    cd / && LUA_PATH="$there/share/lua/5.4/?.lua;;" LUA_CPATH="$there/lib/lua/5.4/?.so;;" \
        lua5.4 -e "$program" | grep -qx slept
}
runner() { cd / && "$there/bin/atools-lua" -e "$program" | grep -qx slept; }
public_only() { # of the shared library, and nothing of it twice
    ! nm -D --defined-only "$there/lib/libatools.so" | grep -v -E ' (atl_[a-z]|_init|_fini)'
}
uninstall() {
    make -s BUILD="$build" DESTDIR="$root" PREFIX=$prefix uninstall &&
        ! find "$there" ! -type d | grep .
}

it "installs" install
it "a C program builds and runs against the installed library" c_host
it "a C program links the static library" static_c_host
it "a C host runs Lua on its own loop" lua_host
it "the shared library exports the public functions only" public_only
it "the stock interpreter finds the installed modules" stock_lua
it "the installed runner needs no file beside it" runner
it "uninstall leaves no file" uninstall
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
