# SPDX-License-Identifier: MIT
# A session of a user who stopped a kernel. check.sh checks its output.
set pagination off
set confirm off
source tools/gdb/quarry.py
hbreak quarry_free
ignore 1 2000
continue
# A preempted thread may be inside Quarry. Continue until none is.
python
for moment in range(100):
    if "inconsistent" not in gdb.execute("quarry verify", to_string=True):
        break
    gdb.execute("continue")
print("stops with a thread inside Quarry:", moment)
end
echo == info\n
quarry info
echo == live\n
quarry whatis $rdi + 1
echo == cached\n
python cache = next(cpu_caches())
python held = next(cached_by(cache, i) for i in cache_ids() if cached_by(cache, i))
python gdb.execute(f"quarry whatis {held[0]}")
echo == free\n
python span = next(s for a in arenas() for s in spans_of_arena(a) if 0 < int(s["used_slots"]) < int(s["slots"]))
python slot = next(i for i in range(int(span["slots"])) if not int(span["bitmap"][i // 64]) >> i % 64 & 1)
python gdb.execute(f"quarry whatis {span_address(span) + slot * int(span['object_bytes'])}")
echo == foreign\n
quarry whatis $rip
echo == spans\n
python gdb.execute(f"quarry spans {int(span['cache_id'])}")
echo == consistent\n
quarry verify
echo == corrupted page heap\n
set variable page_heaps[0].free_pages = page_heaps[0].free_pages + 1
quarry verify
set variable page_heaps[0].free_pages = page_heaps[0].free_pages - 1
echo == corrupted span\n
python where = int(span["bitmap"].address) + slot // 64 * 8
python gdb.execute(f"set variable *(unsigned long *){where} ^= 1ul << {slot % 64}")
quarry verify
python gdb.execute(f"set variable *(unsigned long *){where} ^= 1ul << {slot % 64}")
echo == restored\n
quarry verify
echo == end\n
kill
