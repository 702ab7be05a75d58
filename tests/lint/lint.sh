#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh BUILD-FOLDER FILE...: everything about the form, one line per part; 1 if any part fails.
set -u
build=$1
shift
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

part() {
    name=$1
    shift
    if "$@" >"$log" 2>&1; then
        echo "ok      $name"
    else
        echo "NOT OK  $name"
        cat "$log"
        failed=1
    fi
}

# Only quarry_* may be seen from outside, and only the port's panic may be missing inside.
symbols() {
    wrong=$(nm -u "$build/quarry.o" | grep -v -w quarry_port_panic
            nm -g --defined-only "$build/quarry.o" | grep -v ' quarry_')
    [ -z "$wrong" ] || { echo "$wrong"; return 1; }
}

tidy() {
    guest_flags="-std=c11 -ffreestanding -fshort-wchar -I. -Iinclude -Iarch/x86_64 -I$build \
        -isystem /usr/include/efi -isystem /usr/include/efi/x86_64"
    host_flags="-std=gnu11 -D_GNU_SOURCE -I. -Iinclude -Iarch/linux"
    # shellcheck disable=SC2086 # the flags are meant to be split
    { printf '%s\n' lib/*.c mm/*/*.c arch/x86_64/*.c boot/*.c boot/*/*.c tests/bench/guest/*.c |
        xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$@" -- '"$guest_flags"' 2>/dev/null' tidy &&
    printf '%s\n' arch/linux/*.c $(ls tests/*/*.c | grep -v '^tests/explore/\|^tests/dist/') |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- '"$host_flags"' 2>/dev/null' tidy &&
    printf '%s\n' mm/debug/*.c mm/pages/span_hardened.c mm/objects/quarantine.c mm/inspect/leaks.c |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- -DQUARRY_HARDEN=2 '"$host_flags"' 2>/dev/null' tidy &&
    printf '%s\n' tests/explore/*.c |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- -DQUARRY_EXPLORE=1 '"$host_flags"' 2>/dev/null' tidy; }
}

part "format (clang-format)" clang-format --dry-run -Werror "$@"
part "includes and form" /usr/bin/python3 tests/lint/layering.py
part "size classes are as generated" /usr/bin/python3 mm/objects/size_classes.py --check
part "symbols of the allocator" symbols
# comparePointers: the linker's labels bound one section, which cppcheck cannot know.
part "cppcheck" cppcheck --quiet --std=c11 --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
    --suppress=comparePointers \
    -I. -Iinclude -Iarch/x86_64 -D__x86_64__ lib mm boot arch/x86_64
part "clang-tidy" tidy
exit $failed
