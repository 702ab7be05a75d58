#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FOLDER [OBJECT FLAGS]: quarry.c and quarry.h in FOLDER compile without a warning, show
# exactly the public names, need only the port's panic, and work; the porting guide leads to a
# kernel. OBJECT is the guest's quarry.o, FLAGS its settings: it shows the same names. Ends with
# "N passed, N failed".
set -u
. tests/dist/result.sh

folder=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Warnings that kernels like to compile with.
warnings="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef -Wmissing-prototypes -Wstrict-prototypes
    -Wcast-align -Wcast-qual -Wwrite-strings -Wredundant-decls -Wdeclaration-after-statement -Wvla -Wswitch-enum -Werror"
kernel="-O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-stack-protector -fcf-protection=none"

# symbols OBJECT COMPILER FLAG...: the object shows what quarry.h declares.
symbols() {
    object=$1
    shift
    python3 tests/dist/symbols.py "$object" "$folder/quarry.h" -- "$@" -ffreestanding
}

# parts OBJECT COMPILER FLAG...: a kernel that only allocates and frees contains no optional part.
parts() {
    object=$1
    shift
    # shellcheck disable=SC2086 # the flags are meant to be split
    "$@" $kernel -std=c11 -I"$folder" -c tests/dist/tiny.c -o "$work/tiny.o" &&
        ld --gc-sections -e start -o "$work/tiny" "$work/tiny.o" "$object" &&
        python3 tests/dist/parts.py "$work/tiny" "$object"
}

python3 tests/dist/follow.py docs/PORTING.md "$folder" "$work/kernel"
result "docs/PORTING.md leads to a kernel that boots" $?

for compiler in gcc clang; do
    env -u MAKEFLAGS make -s -C "$work" -f "$(cd "$folder" && pwd)/quarry.mk" QUARRY="$(cd "$folder" && pwd)" CC=$compiler QUARRY_FLAGS="-O2 -DQUARRY_MASKED=1" -B quarry.o
    result "quarry.mk builds quarry.o: $compiler" $?
    symbols "$work/quarry.o" $compiler -DQUARRY_MASKED=1
    result "and it shows the public names: $compiler" $?
    parts "$work/quarry.o" $compiler -DQUARRY_MASKED=1
    result "a kernel that only allocates and frees contains no optional part: $compiler" $?
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
            symbols "$object" $compiler -DQUARRY_HARDEN=$harden -DQUARRY_MASKED=$masked
            result "dist shows the public names: $build" $?
        done
        # shellcheck disable=SC2086
        $compiler -std=gnu11 -Wall -Wextra -Werror -O2 -fno-strict-aliasing -DQUARRY_HARDEN=$harden \
            '-DQUARRY_ARCH_HEADER="tests/dist/port.h"' -I. -I"$folder" \
            "$folder/quarry.c" tests/dist/smoke.c -o "$work/smoke" && "$work/smoke"
        result "dist works with a port of its own: $compiler, HARDEN=$harden" $?
    done
done

if [ $# -gt 1 ]; then
    # shellcheck disable=SC2086 # the flags are meant to be split
    python3 tests/dist/symbols.py "$2" include/quarry/*.h arch/x86_64/quarry_arch.h -- \
        gcc -std=c11 -ffreestanding -I. -Iinclude -Iarch/x86_64 $3
    result "the guest's quarry.o shows the public names" $?
    case $3 in
    *QUARRY_HARDEN=0*QUARRY_DEBUG=0*)
        # shellcheck disable=SC2086 # the flags are meant to be split
        parts "$2" gcc $3
        result "a kernel that only allocates and frees contains no optional part: the guest's quarry.o" $?
        ;;
    esac
fi
summary
