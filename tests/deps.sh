#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh PACKAGE...: installs those of the Debian packages that are missing. Quiet when none is.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not Debian. Quarry needs what these Debian packages contain:"
    echo "  $*"
    exit 1
fi

missing=""
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Two clones may do this at the same time: wait for the other's lock.
wait="-o DPkg::Lock::Timeout=600"
# shellcheck disable=SC2086 # the list is meant to be split
if ! { $as_root apt-get $wait -qq update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get \
        $wait -y -qq --no-install-recommends install $missing; } >"$log" 2>&1; then
    cat "$log"
    echo "could not install:$missing"
    exit 1
fi
