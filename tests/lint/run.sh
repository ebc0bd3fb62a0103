#!/bin/bash
# SPDX-License-Identifier: MIT
# The rules a machine can judge, each a program that prints what breaks it:
#
#   BUILD=build MAKE=make run.sh [ONLY]
set -u
cd "$(dirname "$0")/../.." || exit 2
only=${1:-} passed=0 failed=0
unset MAKEFLAGS MFLAGS # the makes below are started by a script, not by make

check() { # name, command...
    local name=$1 output
    shift
    case $name in *"$only"*) ;; *) return ;; esac
    if output=$("$@" 2>&1); then
        printf 'ok     %s\n' "$name"
        passed=$((passed + 1))
    else
        printf 'FAILED %s\n%s\n' "$name" "$(sed 's/^/    /' <<<"$output")"
        failed=$((failed + 1))
    fi
}

warnings() {
    "$MAKE" -s -j"$(nproc)" BUILD="$BUILD/lint-$1" CC="$1" WERROR=1 objects
}
c_format() {
    find engine bindings scripts tests -name '*.[ch]' -exec clang-format --dry-run -Werror {} +
}
api_reference() {
    lua5.4 scripts/tools/apidoc.lua | diff -u scripts/API.md - ||
        { echo "make docs writes it anew"; return 1; }
}
api_declared() {
    "$BUILD/atools-lua" tests/lint/api.lua
}

check tree lua5.4 tests/lint/tree.lua
check sizes lua5.4 tests/lint/sizes.lua
check layers lua5.4 tests/lint/layers.lua
check symbols lua5.4 tests/lint/symbols.lua "$BUILD"
check platforms lua5.4 tests/lint/platforms.lua
check tested lua5.4 tests/lint/tested.lua
check luacheck luacheck -q --no-color scripts tests
check format c_format
[ ! -d scripts/meta ] || check reference api_reference
[ ! -d scripts/meta ] || check declared api_declared
check "warnings of gcc" warnings gcc
check "warnings of clang" warnings clang

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
