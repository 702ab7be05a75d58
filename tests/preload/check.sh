#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh LIBRARY FAMILY: tests the hosted library with the program FAMILY and those beside it, and
# with programs whose output must be the same with the library as without. Ends with
# "N passed, N failed, N skipped".
set -u

library=$(realpath "$1")
family=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0
skipped=0

# same NAME COMMAND...: the output and the status must be the same with and without the library.
same() {
    name=$1
    shift
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "ok - $name # SKIP $1 is not installed"
        skipped=$((skipped + 1))
        return
    fi
    (cd "$folder" && timeout 120 "$@") >"$folder.plain" 2>&1
    plain=$?
    (cd "$folder" && LD_PRELOAD=$library timeout 120 "$@") >"$folder.quarry" 2>&1
    quarry=$?
    if [ "$plain" = "$quarry" ] && cmp -s "$folder.plain" "$folder.quarry"; then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "not ok - $name: status $quarry, without the library $plain"
        diff "$folder.plain" "$folder.quarry" | head -20
        failed=$((failed + 1))
    fi
    rm -f "$folder.plain" "$folder.quarry"
}

# counted COMMAND...: runs a program with the library and adds the counts that it prints at its end.
counted() {
    counted=$(LD_PRELOAD=$library timeout 300 "$@" | tee /dev/stderr | tail -1) 2>"$folder/family"
    cat "$folder/family"
    case $counted in
    *" passed, 0 failed") passed=$((passed + ${counted%% *})) ;;
    *) failed=$((failed + 1)) ;;
    esac
}

for program in family early forks memory; do
    program=$(dirname "$family")/$program
    counted "$program"
    echo "# without restartable sequences:"
    counted env GLIBC_TUNABLES=glibc.pthread.rseq=0 "$program"
done

cat >"$folder/program.py" <<'EOF'
import json, re, threading
table = {str(i): [i, {"name": "x" * (i % 97)}] for i in range(30000)}
assert json.loads(json.dumps(table)) == table
totals = []
def work(seed):
    totals.append(sum(len(str(i) * 3) for i in range(seed, seed + 20000)))
threads = [threading.Thread(target=work, args=(s,)) for s in range(0, 80000, 20000)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(totals), len(re.findall(r"\d\d", json.dumps(table))))
EOF
cat >"$folder/program.c" <<'EOF'
#include <stdio.h>
#include <stdlib.h>
struct node { struct node *left, *right; int key; };
struct node *insert(struct node *n, int key)
{
    if (!n) { n = calloc(1, sizeof *n); n->key = key; return n; }
    if (key < n->key) n->left = insert(n->left, key); else n->right = insert(n->right, key);
    return n;
}
int main(void) { struct node *root = 0; for (int i = 0; i < 1000; i++) root = insert(root, i * 7919 % 1009); printf("%d\n", root->key); }
EOF

same "python3 with its objects from malloc" env PYTHONMALLOC=malloc python3 program.py
same "python3 runs other programs" python3 -c \
    'import subprocess; print([subprocess.run(["echo", str(i)], capture_output=True).stdout for i in range(20)])'
same "gcc compiles" gcc -O2 -S -o - program.c
same "clang compiles" clang -O2 -S -o - program.c
same "gdb runs python" gdb -batch -ex 'python print(sum(range(1000)))'
same "perl splits and joins" perl -e \
    'my %h; $h{$_ % 977} .= "x$_," for 1 .. 200000; print length join "|", map { $h{$_} } sort keys %h'
same "python3 within 4 GB of address space" sh -c 'ulimit -v 4000000; exec python3 -c "print(4)"'
same "python3 within 4 GB of data" sh -c 'ulimit -d 4000000; exec python3 -c "print(4)"'
same "valgrind runs a program" valgrind -q --tool=none /bin/echo ran
same "sort with threads" sh -c \
    'seq 300000 | awk "{print \$1 * 7919 % 300007}" | sort --parallel=4 -S 2M | cksum'
same "git commits" sh -c \
    'rm -rf history; git init -q history; cd history; seq 5000 > f; git add f;
     git -c user.name=n -c user.email=e commit -qm m --date 2000-01-01T00:00:00Z; git gc -q; git fsck'
same "sqlite3 in memory" sqlite3 :memory: \
    'create table t(a, b); with recursive c(x) as (select 1 union all select x+1 from c where x < 50000)
     insert into t select x, hex(x * 7919) from c; create index i on t(b); select count(distinct b) from t;'
same "lua builds strings" lua5.4 -e \
    'local t = {} for i = 1, 200000 do t[i % 1000 + 1] = tostring(i) .. (t[i % 1000 + 1] or ""):sub(1, 50) end print(#table.concat(t))'

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
