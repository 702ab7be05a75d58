#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh KERNEL: stops examples/hobby-kernel in QEMU under gdb and checks the output of
# tools/gdb/quarry.py, also for structures that the session corrupts. Ends with "N passed, N failed".
set -u

kernel=$1
passed=0
failed=0
work=$(mktemp -d)
machine=
trap 'rm -rf "$work"; [ -z "$machine" ] || kill "$machine" 2>/dev/null' EXIT

# The part of the session under a heading.
part() {
    sed -n "/^== $1\$/,/^== /p" "$work/output" | grep -v '^== '
}

# expect HEADING PATTERN: the part under the heading must match the pattern
expect() {
    if part "$1" | grep -Eq "$2"; then
        echo "ok - gdb: $1: $2"
        passed=$((passed + 1))
    else
        echo "not ok - gdb: $1: $2"
        tail -n 20 "$work/output"
        failed=$((failed + 1))
    fi
}

qemu-system-x86_64 -M q35 -cpu max -accel tcg -smp 1 -m 256M -display none -serial null -no-reboot \
    -device isa-debug-exit,iobase=0xf4 -kernel "$kernel" -S -gdb "unix:$work/stub,server=on,wait=off" 2>/dev/null &
machine=$!
while [ ! -S "$work/stub" ] && kill -0 "$machine" 2>/dev/null; do
    sleep 0.1
done
timeout 120 gdb -q -batch -ex "target remote $work/stub" -x tests/gdb/session.gdb "$kernel" > "$work/output" 2>&1

expect info '^memory .* MiB managed by Quarry'
expect info '^arenas +[1-9]'
expect info '^cpu 0 +[1-9][0-9,]* objects cached'
expect info '^ +[0-9]+ +[0-9]+ +[1-9][0-9]* +[1-9]'
expect live 'state +live'
expect live ' 1 bytes into slot '
expect cached 'state +free, in the cache of cpu 0'
expect free 'state +free, in its span'
expect foreign 'not in the heap'
expect spans ' pages +[0-9]+ of [0-9]+ slots allocated'
expect spans '^[1-9][0-9]* spans of [1-9][0-9]* bytes'
expect consistent 'all counts agree'
expect 'corrupted page heap' 'inconsistent: free_pages of the page heaps and of all arenas: [0-9]+ and [0-9]+'
expect 'corrupted span' 'inconsistent: slots allocated of the span at 0x[0-9a-f]+'
expect restored 'all counts agree'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
