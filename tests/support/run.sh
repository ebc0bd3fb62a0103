#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs the suites of a build and sums them up:
#
#   run.sh BUILD [ONLY]       ONLY: part of a suite's name
#
# A suite is one program: a C test, the replay of a fuzz corpus, or one spec
# file on one backend. It says "N passed, N failed" at its end; one that dies
# or hangs before counts as a failure. What it printed is shown if it failed.
#
# Environment: JOBS suites at a time (default: processors, at most 4); SEED of
# the faults (7);
# SANITIZE set: the build is instrumented; VALGRIND=1: C tests under valgrind.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=$1 only=${2:-}
jobs=${JOBS:-$(n=$(nproc) && echo $((n < 4 ? n : 4)))}

# How specs start the stock interpreter on this build's modules.
export ATOOLS_STOCK_LUA=lua5.4
scale=1 wrap=
if [ -n "${VALGRIND:-}" ]; then
    scale=10
    wrap="valgrind -q --leak-check=full --error-exitcode=99 \
        --errors-for-leak-kinds=definite,indirect,possible"
elif [ -n "${SANITIZE:-}" ]; then
    scale=10
    export ASAN_OPTIONS=detect_leaks=1:exitcode=99:${ASAN_OPTIONS:-}
    export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
    # For what specs compile against the build, and load into plain programs.
    export CFLAGS="-O1 -g -fsanitize=$SANITIZE"
    runtimes=$(${CC:-cc} -print-file-name=libasan.so):$(${CC:-cc} -print-file-name=libubsan.so)
    ATOOLS_STOCK_LUA="env LD_PRELOAD=$runtimes lua5.4"
fi
export CHECK_TIMEOUT_SCALE=$((scale * ${CHECK_TIMEOUT_SCALE:-1}))

# What specs may want to start or to compile against.
ATOOLS_BUILD=$(cd "$build" && pwd) || exit 2
export ATOOLS_BUILD ATOOLS_LUA=$ATOOLS_BUILD/atools-lua
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/atools-test.XXXXXX") || exit 2
export TMPDIR
results=$TMPDIR/results
mkdir "$results"

finish() { # kills what is still running, by the groups we started
    for file in "$results"/*.group; do
        [ -e "$file" ] && kill -KILL -- "-$(cat "$file")" 2>&-
    done
    rm -rf "$TMPDIR"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# name, seconds, command...
suite() {
    local name=$1 seconds=$(($2 * (scale > 1 ? 3 : 1)))
    shift 2
    case $name in *"$only"*) ;; *) return ;; esac
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    run_suite "$name" "$seconds" "$@" &
}

run_suite() {
    local name=$1 seconds=$2 id=$BASHPID log status=0 counts passed failed
    shift 2
    log=$results/$id.log
    # timeout leads a process group, which holds all that the suite starts.
    timeout -k 5 "$seconds" "$@" >"$log" 2>&1 </dev/null &
    echo $! >"$results/$id.group"
    { wait $! || status=$?; } 2>&- # no word of the shell's own on a kill
    kill -KILL -- "-$(cat "$results/$id.group")" 2>&-
    rm -f "$results/$id.group"

    counts=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    passed=${counts% *} failed=${counts#* }
    if [ -z "$counts" ]; then
        passed=0 failed=1
    elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
    fi
    echo "${passed:-0} $failed" >"$results/$id.count"
    if [ "$failed" = 0 ]; then
        printf 'ok     %-58s %4d passed\n' "$name" "$passed"
    else
        {
            printf 'FAILED %-58s %4d passed, %d failed\n' "$name" "$passed" "$failed"
            sed 's/^/    | /' "$log"
            case $status in
            124 | 137) echo "    no end within $seconds s, or killed" ;;
            esac
            echo "    exit status $status: $*"
        } >"$log.shown"
        cat "$log.shown"
    fi
}

shopt -s nullglob
for source in tests/engine/*/*_test.c tests/bindings/*_test.c tests/regress/*_test.c; do
    name=${source#tests/}
    suite "${name%_test.c}" 300 $wrap "$build/${source%.c}"
done
if [ -z "${VALGRIND:-}" ]; then
    for source in tests/fuzz/*_fuzz.c; do
        name=$(basename "$source" _fuzz.c)
        suite "fuzz/$name" 60 "$build/${source%.c}" "tests/fuzz/corpus/$name"
    done
    specs=$(find tests/bindings tests/scripts tests/regress -name '*_spec.lua' 2>&- | sort)
    if [ -n "$specs" ] && [ -x "$ATOOLS_LUA" ]; then
        for backend in $("$ATOOLS_LUA" --list-backends); do
            for spec in $specs; do
                name=${spec#tests/}
                suite "$backend ${name%_spec.lua}" 120 env ATOOLS_BACKEND="$backend" \
                    "$ATOOLS_LUA" tests/support/busted.lua "$spec"
            done
        done
        # All of it again on a poor system: a byte a call, calls that would
        # block or are interrupted.
        faulty=$ATOOLS_BUILD/tests/atools-lua-faulty
        faults=read=1,write=1,eagain=30,eintr=10
        seed=${SEED:-7}
        for backend in $("$ATOOLS_LUA" --list-backends); do
            for spec in $specs; do
                name=${spec#tests/}
                suite "$backend ${name%_spec.lua} (faults)" 240 \
                    env ATOOLS_BACKEND="$backend" ATOOLS_LUA="$faulty" \
                    ATOOLS_FAULTS="$faults,seed=$seed" \
                    "$faulty" tests/support/busted.lua "$spec"
            done
        done
        # The same modules in the distribution's interpreter, and all of it
        # installed. Not instrumented: compilers started there would be too.
        if [ -z "${SANITIZE:-}" ]; then
            eval "$(env -u MAKEFLAGS -u MFLAGS make -s lua-env BUILD="$build")"
            suite install 120 tests/install/install_test.sh "$build"
            for spec in $specs; do
                name=${spec#tests/}
                suite "lua5.4 ${name%_spec.lua}" 120 lua5.4 tests/support/busted.lua "$spec"
            done
        fi
    fi
fi
wait

cat "$results"/*.count /dev/null | {
    passed=0 failed=0
    while read -r p f; do passed=$((passed + p)) failed=$((failed + f)); done
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" != 0 ]
}
