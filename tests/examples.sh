#!/bin/sh
# SPDX-License-Identifier: MIT
# examples.sh FOLDER short|full: builds every example, in FOLDER, and runs it; `short` leaves out
# what wants a boot loader's or a kernel's packages. Ends with "N passed, N failed".
set -u

mkdir -p "$1"
folder=$(cd "$1" && pwd)
form=$2
passed=0
failed=0

# step NAME COMMAND...
step() {
    name=$1
    shift
    log=$folder/$(echo "$name" | tr -c 'a-zA-Z0-9\n' -).log
    if "$@" > "$log" 2>&1; then
        echo "ok - example $name$(sed -n 's/.* passed, /: &/p' "$log" | tail -n 1)"
        passed=$((passed + 1))
    else
        echo "not ok - example $name"
        tail -n 40 "$log"
        failed=$((failed + 1))
    fi
}

# example NAME PLACE MAKE-ARGUMENT...
example() {
    what=$1
    place=$2
    shift 2
    step "$what" make --no-print-directory -s -C "examples/$place" "$@"
}

example "C++" cpp BUILD="$folder/cpp" test
example "Rust" rust BUILD="$folder/rust" test
example "hobby kernel, PVH, 2 CPUs" hobby-kernel BUILD="$folder/hobby" SMP=2 run
step "gdb beside the hobby kernel" sh tests/gdb/check.sh "$folder/hobby/kernel"
if [ "$form" = full ]; then
    for cpus in 1 4 8; do
        example "hobby kernel, PVH, $cpus CPU(s)" hobby-kernel BUILD="$folder/hobby" SMP=$cpus run
    done
    example "hobby kernel, GRUB, 4 CPUs" hobby-kernel BUILD="$folder/hobby" run-grub
    example "hobby kernel, HARDEN=2" hobby-kernel BUILD="$folder/hobby-harden2" HARDEN=2 run
    example "hobby kernel, clang" hobby-kernel BUILD="$folder/hobby-clang" CC=clang run
    for harden in 0 2; do
        example "Linux, self-tests, 4 CPUs, HARDEN=$harden" linux-module \
            BUILD="$folder/linux-harden$harden" HARDEN=$harden selftest
    done
    example "Linux, side by side" linux-module BUILD="$folder/linux" bench
    sed -n '/^operation/,/^2 MiB/p' "$folder/Linux--side-by-side.log"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
