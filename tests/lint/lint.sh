#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh BUILD-FOLDERS FILE...: everything about the form, one line per part; 1 if any part fails.
# BUILD-FOLDERS is one word: the guest's build, then others whose objects the layering is checked by.
set -u
builds=$1
build=${builds%% *}
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

symbols() {
    python3 tests/dist/symbols.py "$build/quarry.o" include/quarry/*.h arch/x86_64/quarry_arch.h -- \
        gcc -std=c11 -ffreestanding -I. -Iinclude -Iarch/x86_64
}

tidy() {
    guest_flags="-std=c11 -ffreestanding -fshort-wchar -I. -Iinclude -Iarch/x86_64 -I$build \
        -isystem /usr/include/efi -isystem /usr/include/efi/x86_64"
    host_flags="-std=gnu11 -D_GNU_SOURCE -I. -Iinclude -Iarch/linux"
    hosted_flags="-std=gnu11 -D_GNU_SOURCE -I. -Iinclude -Ihosted -DQUARRY_CACHE_SHARE=256 -fno-builtin"
    # shellcheck disable=SC2086 # the flags are meant to be split
    { printf '%s\n' lib/*.c mm/*/*.c arch/x86_64/*.c boot/*.c boot/x86_64/*.c tests/bench/guest/*.c |
        xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$@" -- '"$guest_flags"' 2>/dev/null' tidy &&
    printf '%s\n' arch/linux/*.c tests/bench/baselines/*.c $(ls tests/*/*.c | grep -v '^tests/explore/\|^tests/dist/') |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- '"$host_flags"' 2>/dev/null' tidy &&
    printf '%s\n' hosted/*.c |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- '"$hosted_flags"' 2>/dev/null' tidy &&
    printf '%s\n' mm/debug/*.c mm/pages/span_hardened.c mm/objects/quarantine.c mm/inspect/leaks.c |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- -DQUARRY_HARDEN=2 '"$host_flags"' 2>/dev/null' tidy &&
    printf '%s\n' tests/explore/*.c |
        xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- '"$host_flags"' 2>/dev/null' tidy; }
}

part "format (clang-format)" clang-format --dry-run -Werror "$@"
# shellcheck disable=SC2086 # the folders are meant to be split
part "layering by includes and symbols" /usr/bin/python3 tests/lint/layering.py $builds
part "planted breaches are seen" /usr/bin/python3 tests/lint/selftest.py
part "docs/architecture.svg is current" /usr/bin/python3 tests/lint/architecture.py --check
part "words and form" /usr/bin/python3 tests/lint/words.py
part "size classes are as generated" /usr/bin/python3 mm/objects/size_classes.py --check
part "symbols of the allocator" symbols
# comparePointers: the linker's labels bound one section, which cppcheck cannot know.
part "cppcheck" cppcheck --quiet --std=c11 --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem \
    --suppress=comparePointers \
    -I. -Iinclude -Iarch/x86_64 -D__x86_64__ lib mm boot arch/x86_64 arch/generic tests/bench/guest
part "clang-tidy" tidy
exit $failed
