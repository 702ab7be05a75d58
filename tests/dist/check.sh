#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FOLDER: quarry.c and quarry.h in FOLDER compile without a warning, show nothing but
# quarry_*, want nothing but the port's panic, and work; so does what the porting guide says. Ends with "N passed, N failed".
set -u

folder=$1
passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Those that kernels like to compile with.
warnings="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wmissing-prototypes -Wstrict-prototypes
    -Wcast-align -Wcast-qual -Wwrite-strings -Wredundant-decls -Wdeclaration-after-statement -Wvla -Wswitch-enum -Werror"
kernel="-O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-stack-protector -fcf-protection=none"

# result NAME STATUS
result() {
    if [ "$2" = 0 ]; then
        echo "ok - $1"
        passed=$((passed + 1))
    else
        echo "not ok - $1"
        failed=$((failed + 1))
    fi
}

# Only quarry_* is defined, and only quarry_port_panic is wanted.
symbols() {
    ! nm "$1" | awk '$1 == "U" { name = $2 } $1 != "U" && $2 ~ /[A-Z]/ { name = $3 }
        $1 == "U" && name != "quarry_port_panic" || name != "" && name !~ /^quarry_/ { print name }
        { name = "" }' | grep .
}

python3 tests/dist/follow.py docs/PORTING.md "$folder" "$work/kernel"
result "docs/PORTING.md leads to a kernel that boots" $?

for compiler in gcc clang; do
    make -s -C "$work" -f "$(cd "$folder" && pwd)/quarry.mk" QUARRY="$(cd "$folder" && pwd)" CC=$compiler QUARRY_FLAGS="-O2 -DQUARRY_HARDEN=1" -B quarry.o
    result "quarry.mk builds quarry.o: $compiler" $?
    symbols "$work/quarry.o"
    result "and it shows nothing but quarry_*: $compiler" $?
    python3 tests/dist/porting.py docs/PORTING.md "$folder" "$work" $compiler
    result "docs/PORTING.md compiles: $compiler" $?
    for harden in 0 1 2; do
        for masked in 0 1; do
            build="$compiler, HARDEN=$harden MASKED=$masked"
            object=$work/$compiler-$harden-$masked.o
            # shellcheck disable=SC2086
            $compiler $warnings $kernel -DQUARRY_HARDEN=$harden -DQUARRY_MASKED=$masked \
                -c "$folder/quarry.c" -o "$object"
            result "dist compiles: $build" $?
            symbols "$object"
            result "dist shows nothing but quarry_*: $build" $?
        done
        # shellcheck disable=SC2086
        $compiler -std=gnu11 -Wall -Wextra -Werror -O2 -fno-strict-aliasing -DQUARRY_HARDEN=$harden \
            '-DQUARRY_ARCH_HEADER="tests/dist/port.h"' -I. -I"$folder" \
            "$folder/quarry.c" tests/dist/smoke.c -o "$work/smoke" && "$work/smoke"
        result "dist works with a port of its own: $compiler, HARDEN=$harden" $?
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
