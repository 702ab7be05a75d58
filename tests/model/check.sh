#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FOLDER: checks every model and variant exhaustively; prints TAP and a closing line.
#
# Variants with -D are known to be wrong. spin must find the error, which shows that the model can
# detect it.
set -u
build=$1
here=$(dirname "$0")
passed=0
failed=0
mkdir -p "$build"

# check NAME holds|breaks FLAGS...
check() {
    name=$1
    expected=$2
    shift 2
    folder="$build/$name$(echo "$*" | tr -d ' ')"
    mkdir -p "$folder"
    cp "$here/$name.pml" "$folder/"
    log="$folder/log"
    (cd "$folder" && spin -a "$@" "$name.pml" && gcc -O2 -w -DSAFETY -o pan pan.c &&
        ./pan -m1000000) >"$log" 2>&1
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log")
    if grep -q 'errors: 0' "$log"; then seen=holds; else seen=breaks; fi
    grep -q 'errors: [0-9]' "$log" || seen="not checked"
    grep -q 'max search depth too small' "$log" && seen="not checked to the end"
    if [ "$seen" = "$expected" ]; then
        passed=$((passed + 1))
        echo "ok - $name $*: $seen, $states states"
    else
        failed=$((failed + 1))
        echo "not ok - $name $*: $seen, expected: $expected"
        tail -20 "$log"
    fi
}

check reservation holds
check reservation breaks -DWITHOUT_LOCK
check drain holds
check drain breaks -DCLEAR_FIRST
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
