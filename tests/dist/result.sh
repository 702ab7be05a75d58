# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Sourced by the scripts here: counts results. Call `summary` at the end.
passed=0
failed=0

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

# Prints "N passed, N failed"; fails if a result did.
summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
