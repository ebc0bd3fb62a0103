#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs each fuzz target under libFuzzer for FUZZ_SECONDS (10):
#
#   fuzz.sh BUILD LIBS [ONLY]
#
# New inputs are kept in BUILD/corpus; the ones in tests/fuzz/corpus are read
# only. An input that crashed is left as BUILD/crash-*: add it to the corpus
# with the fix.
set -u
build=$1 libs=$2 only=${3:-} failed=0
shopt -s nullglob
for source in tests/fuzz/*_fuzz.c; do
    name=$(basename "$source" _fuzz.c)
    case $name in *"$only"*) ;; *) continue ;; esac
    kept=$build/corpus/$name
    mkdir -p "$kept" "tests/fuzz/corpus/$name"
    $CC -fsanitize=fuzzer,address,undefined -pthread -o "$build/${name}_fuzz" \
        "$build/obj/${source%.c}.o" "$build/libatools.a" $libs || exit 1
    echo "fuzzing $name for ${FUZZ_SECONDS:-10} s"
    if ! "$build/${name}_fuzz" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=5 \
        -rss_limit_mb=1024 -max_len=65536 -artifact_prefix="$build/crash-$name-" \
        -verbosity=0 -print_final_stats=1 "$kept" "tests/fuzz/corpus/$name" \
        >"$build/$name.log" 2>&1; then
        tail -n 60 "$build/$name.log"
        failed=$((failed + 1))
    fi
    grep number_of_executed_units "$build/$name.log"
done
[ "$failed" = 0 ]
