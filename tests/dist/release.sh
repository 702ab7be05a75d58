#!/bin/sh
# SPDX-License-Identifier: MIT
# release.sh: writes a release and uses it from empty folders, as a user does: by Meson, CMake,
# pkg-config, make and C++. Ends with "N passed, N failed".
set -u
. tests/dist/result.sh

tests=$PWD/tests/dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^#define QUARRY_VERSION "\(.*\)"/\1/p' include/quarry/version.h)
kernel="-O2 -fno-stack-protector -fcf-protection=none"
freestanding="-std=c11 -ffreestanding -mno-red-zone -mgeneral-regs-only"

# quiet COMMAND...: shows the output only if the command fails.
quiet() {
    "$@" > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

# unpack FOLDER: the release, as FOLDER.
unpack() {
    mkdir -p "$1" && tar xzf "$archive" -C "$1" --strip-components=1
}

# consumer NAME: an empty folder with the program that uses Quarry.
consumer() {
    mkdir "$work/$1" && cp "$tests/smoke.c" "$tests/port.h" "$work/$1"
}

# tiny LIBRARY: a freestanding kernel linked to it contains no optional part.
tiny() {
    # shellcheck disable=SC2086 # the flags are meant to be split
    gcc $kernel $freestanding -I"$work/release" -c "$tests/tiny.c" -o "$work/tiny.o" &&
        ld --gc-sections -e start -o "$work/tiny" "$work/tiny.o" "$1" &&
        python3 "$tests/parts.py" "$work/tiny" "$1"
}

by_meson() {
    consumer meson && cp "$tests/consumer/meson.build" "$work/meson" && unpack "$work/meson/subprojects/quarry" &&
        cd "$work/meson" && quiet meson setup build && quiet ninja -C build && build/smoke
}

by_cmake() {
    consumer cmake && cp "$tests/consumer/CMakeLists.txt" "$work/cmake" && unpack "$work/cmake/quarry" &&
        cd "$work/cmake" && quiet cmake -G Ninja -B build && quiet cmake --build build && build/smoke
}

# shellcheck disable=SC2046,SC2086 # the flags are meant to be split
by_pkg_config() {
    consumer pkg-config && unpack "$work/pkg-config/quarry" && cd "$work/pkg-config" &&
        export PKG_CONFIG_PATH="$work/pkg-config/quarry" &&
        set -- "-DQUARRY_ARCH_HEADER=\"$work/pkg-config/port.h\"" -DQUARRY_HARDEN=1 &&
        [ "$(pkg-config --modversion quarry)" = "$version" ] &&
        gcc $kernel "$@" $(pkg-config --cflags quarry) $(pkg-config --variable=flags quarry) \
            -c "$(pkg-config --variable=source quarry)" -o quarry.o &&
        gcc -O2 "$@" $(pkg-config --cflags quarry) smoke.c quarry.o -Wl,--gc-sections -o smoke && ./smoke
}

# The release itself is a project too: a library for kernels with the port for x86-64.
library_by_meson() {
    unpack "$work/meson-library" && cd "$work/meson-library" && quiet meson setup --buildtype=release build &&
        quiet ninja -C build && tiny "$work/meson-library/build/libquarry.a"
}

library_by_cmake() {
    unpack "$work/cmake-library" && cd "$work/cmake-library" &&
        quiet cmake -G Ninja -DCMAKE_BUILD_TYPE=Release -B build && quiet cmake --build build &&
        tiny "$work/cmake-library/build/libquarry.a"
}

library_by_make() {
    quiet env -u MAKEFLAGS make -C "$work" -f "$work/release/quarry.mk" QUARRY="$work/release" CC=gcc QUARRY_FLAGS="$kernel" quarry.o &&
        tiny "$work/quarry.o"
}

# Each header alone, as C and as C++; all of them in one C++ file, which is linked.
headers() {
    cd "$work/release/include" || return 1
    for header in quarry/*.h quarry_arch.h ../quarry.h; do
        for language in c c++; do
            gcc -x $language -ffreestanding -Wall -Wextra -Wpedantic -Werror -I. -fsyntax-only - <<END || return 1
#include "$header"
extern int one_declaration;
END
        done
    done
    # shellcheck disable=SC2086 # the flags are meant to be split
    g++ -std=c++17 $kernel -ffreestanding -fno-exceptions -fno-rtti -mno-red-zone -mgeneral-regs-only -Wall -Wextra \
        -Wpedantic -Werror -I. -I.. -c "$tests/headers.cpp" -o "$work/headers.o" &&
        ld --gc-sections -e start -o "$work/headers" "$work/headers.o" "$work/quarry.o"
}

quiet env -u MAKEFLAGS make dist DIST_FOLDER="$work/one" VERSION="$version"
result "a release is written" $?
archive=$work/one/quarry-$version.tar.gz
(umask 077 && cd / && TZ=Asia/Tokyo LC_ALL=C PYTHONHASHSEED=7 python3 "${tests%/tests/dist}/tools/release.py" "$work/two" "$version") &&
    cmp "$archive" "$work/two/quarry-$version.tar.gz"
result "the same sources give the same bytes" $?
! env -u MAKEFLAGS make dist DIST_FOLDER="$work/three" VERSION="9$version" > "$work/log" 2>&1 &&
    grep -q "is $version, not 9$version" "$work/log" && ! ls "$work/three"/*.gz 2>/dev/null
result "another version is refused" $?
unpack "$work/release" && ! grep -ns '@[A-Z_]*@' "$work/release"/*
result "no placeholder is left" $?

for way in by_meson by_cmake by_pkg_config library_by_meson library_by_cmake library_by_make headers; do
    ($way)
    result "the release is used: $(echo $way | tr _ ' ')" $?
done
summary
