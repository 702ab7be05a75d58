# SPDX-License-Identifier: MIT
"""gdb commands that show Quarry's heap. They only read memory and call no function of the program.

    (gdb) source tools/gdb/quarry.py
    (gdb) quarry info              memory in use, by kind, CPU and size class
    (gdb) quarry whatis ADDRESS    the object, span and arena around an address, and the object's state
    (gdb) quarry spans CLASS       the spans of a size class
    (gdb) quarry verify            compares the data structures with each other

They work with a live machine (QEMU's gdbstub, a stopped kernel) and with dumps, and with Quarry built
from its folders or from dist/quarry.c. They acquire no lock: if a CPU was stopped inside Quarry, the
structures that it was changing may be inconsistent, and `quarry verify` reports that.
"""

import gdb

PAGE_BYTES = 4096
ARENA_PAGES = 512
STATES = ["on no list", "partly free", "full", "allocated"]
SPAN_LARGE = 1  # enum span_kind


class Inconsistency(Exception):
    """Two structures are inconsistent."""


def variable(name, file=""):
    """A global variable of Quarry. `file`: the file that defines it, for a name that other files use too. In
    dist/quarry.c such a variable has the file's name as a prefix."""
    candidates = [f"'{file}.c'::{name}", f"{file}__{name}"] if file else []
    for candidate in candidates + [name]:
        try:
            return gdb.parse_and_eval(candidate)
        except gdb.error:
            continue
    raise gdb.GdbError(f"no variable {name}: is this a kernel with Quarry, and its symbols loaded?")


def elements(array):
    """The elements of an array, whose type has a length."""
    low, high = array.type.range()
    return [array[i] for i in range(low, high + 1)]


def nodes(head, type_name, member):
    """The structures in a circular list."""
    kind = gdb.lookup_type(type_name)
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == member)
    start = int(head.address)
    node = head["next"]
    while int(node) != start:
        yield gdb.Value(int(node) - offset).cast(kind.pointer()).dereference()
        node = node["next"]


def bits(words):
    return sum(bin(int(word)).count("1") for word in words)


def size_text(count):
    for unit in ("bytes", "KiB", "MiB"):
        if count < 10240:
            return f"{count:,} {unit}"
        count //= 1024
    return f"{count:,} GiB"


# ---- Quarry's structures ----

def arenas():
    page_map = variable("page_map")
    for i in range(int(page_map["bound"]) // ARENA_PAGES):
        if int(page_map["arenas"][i]) != 0:
            yield page_map["arenas"][i].dereference()


def spans_of_arena(arena):
    """Each span that begins in this arena."""
    if int(arena["table"]) == 0:
        if int(arena["sole"]) != 0 and arena["sole"]["first_page"] == arena["first_page"]:
            yield arena["sole"].dereference()
        return
    page = 0
    while page < ARENA_PAGES:
        used = int(arena["used"]["word"][page // 64]) >> page % 64 & 1
        owned = int(arena["owned"]["word"][page // 64]) >> page % 64 & 1
        span = arena["table"][page]
        if not (used and owned) or int(span) == 0:
            page += 1
            continue
        if int(span["first_page"]) == int(arena["first_page"]) + page:
            yield span.dereference()
        page = max(page + 1, int(span["first_page"]) + int(span["pages"]) - int(arena["first_page"]))


def span_words(span):
    return [span["bitmap"][i] for i in range((int(span["slots"]) + 63) // 64)]


def span_address(span):
    return int(variable("page_map")["direct_map"]) + int(span["first_page"]) * PAGE_BYTES


def is_large(span):
    return int(span["kind"]) == SPAN_LARGE


def page_heaps():
    return elements(variable("page_heaps"))


def heap_sum(name):
    """The sum of a figure over the page heaps of all nodes."""
    return sum(int(heap[name]) for heap in page_heaps())


def object_bytes(cache_id):
    return int(variable("cache_shapes")[cache_id]["object_bytes"])


def cpu_caches():
    caches = variable("caches", "cpu_cache_online")
    for i in range(int(variable("cache_count", "cpu_cache_online"))):
        if caches[i]["online"]:
            yield caches[i]


def cached_by(cache, cache_id):
    """The objects in a CPU's magazine."""
    bottom, top = cache["magazines"][cache_id]["bottom"], cache["block"]["top"][cache_id]
    return [int(bottom[i]) for i in range(1, int(top - bottom) + 1)]


def cache_ids():
    """The ids of all caches: size classes, then further caches."""
    return range(1, int(variable("cache_ids_created")))


# ---- the commands ----

class Quarry(gdb.Command):
    """Quarry's heap: quarry info | whatis ADDRESS | spans CLASS | verify"""

    def __init__(self):
        super().__init__("quarry", gdb.COMMAND_DATA, prefix=True)


class Info(gdb.Command):
    """Memory in use, by kind, CPU and size class: quarry info"""

    def __init__(self):
        super().__init__("quarry info", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        total = sum(int(node["allocator"]["total_frames"]) for node in elements(variable("frames", "frames")["nodes"]))
        print(f"memory      {size_text(total * PAGE_BYTES)} managed by Quarry")
        print(f"arenas      {heap_sum('arenas')}, of them {heap_sum('idle_arenas')} idle; "
              f"{size_text(heap_sum('owned_pages') * PAGE_BYTES)}, free "
              f"{size_text(heap_sum('free_pages') * PAGE_BYTES)}")
        large = [span for arena in arenas() for span in spans_of_arena(arena)
                 if is_large(span)]
        print(f"large       {len(large)} objects, "
              f"{size_text(sum(int(span['pages']) for span in large) * PAGE_BYTES)}")
        for cache in cpu_caches():
            held = sum(len(cached_by(cache, i)) for i in cache_ids())
            print(f"cpu {int(cache['cpu']):<8}{held:,} objects cached, may cache "
                  f"{size_text(int(cache['granted_bytes']))} of {size_text(int(cache['budget_bytes']))}")
        print("class    bytes  spans   slots allocated  in caches")
        for i in cache_ids():
            central = variable("central_lists")[i]
            if int(central["spans"]) == 0:
                continue
            held = sum(len(cached_by(cache, i)) for cache in cpu_caches())
            held += int(variable("transfer_caches")[i]["count"])
            print(f"{i:5}{object_bytes(i):9}{int(central['spans']):7}"
                  f"{int(central['slots']):8}{int(central['used_slots']):11}{held:11}")


class Whatis(gdb.Command):
    """The object, span and arena around an address, and the object's state: quarry whatis ADDRESS"""

    def __init__(self):
        super().__init__("quarry whatis", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        address = int(gdb.parse_and_eval(argument)) & (1 << 64) - 1
        page_map = variable("page_map")
        page = (address - int(page_map["direct_map"]) & (1 << 64) - 1) // PAGE_BYTES
        if page >= int(page_map["bound"]) or int(page_map["arenas"][page // ARENA_PAGES]) == 0:
            print(f"{address:#x}: not in the heap")
            return
        arena = page_map["arenas"][page // ARENA_PAGES].dereference()
        spans = [span for span in spans_of_arena(arena)
                 if 0 <= page - int(span["first_page"]) < int(span["pages"])]
        sole = arena["sole"]
        if int(arena["table"]) == 0 and int(sole) != 0:
            spans = [sole.dereference()]
        if not spans:
            print(f"{address:#x}: a free page of an arena, or a page that the heap does not own")
        elif is_large(spans[0]):
            self.large(address, spans[0])
        else:
            self.small(address, spans[0])

    def large(self, address, span):
        start = span_address(span)
        print(f"{address:#x}: {address - start} bytes into a large object at {start:#x}, "
              f"{size_text(int(span['pages']) * PAGE_BYTES)}")

    def small(self, address, span):
        start, bytes_each = span_address(span), int(span["object_bytes"])
        cache_id, slot = int(span["cache_id"]), (address - start) // bytes_each
        print(f"span        at {start:#x}, {int(span['pages'])} pages of class {cache_id} "
              f"({bytes_each} bytes), {int(span['used_slots'])} of {int(span['slots'])} slots "
              f"allocated, {STATES[int(span['state'])]}")
        if slot >= int(span["slots"]):
            print(f"{address:#x}: after the span's last object")
            return
        object_start = start + slot * bytes_each
        print(f"{address:#x}: {address - object_start} bytes into slot {slot}, at {object_start:#x}")
        print(f"state       {self.state(span, cache_id, slot, object_start)}")

    def state(self, span, cache_id, slot, start):
        if not int(span["bitmap"][slot // 64]) >> slot % 64 & 1:
            return "free, in its span"
        for cache in cpu_caches():
            if start in cached_by(cache, cache_id):
                return f"free, in the cache of cpu {int(cache['cpu'])}"
        transfer = variable("transfer_caches")[cache_id]
        if start in [int(transfer["objects"][i]) for i in range(int(transfer["count"]))]:
            return "free, in the transfer cache"
        return "live: allocated and in no cache"


class Spans(gdb.Command):
    """The spans of a size class: quarry spans CLASS"""

    def __init__(self):
        super().__init__("quarry spans", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        cache_id = int(gdb.parse_and_eval(argument))
        if cache_id not in cache_ids():
            raise gdb.GdbError(f"classes are 1 to {cache_ids()[-1]}")
        central = variable("central_lists")[cache_id]
        for head in ("partial", "full"):
            for span in nodes(central[head], "struct span", "link"):
                print(f"{span_address(span):#x}  {int(span['pages']):4} pages  "
                      f"{int(span['used_slots']):5} of {int(span['slots'])} slots allocated")
        print(f"{int(central['spans'])} spans of {object_bytes(cache_id)} bytes")


class Verify(gdb.Command):
    """Compares arenas, spans, central lists and the page heap with each other."""

    def __init__(self):
        super().__init__("quarry verify", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        try:
            found = self.arenas()
            self.central_lists(found)
            self.caches()
        except Inconsistency as inconsistency:
            print(f"quarry: inconsistent: {inconsistency}")
            return
        print(f"quarry: {len(found)} spans, {heap_sum('arenas')} arenas: all counts agree")

    def same(self, what, one, other):
        if one != other:
            raise Inconsistency(f"{what}: {one} and {other}")

    def arenas(self):
        found, counts = [], dict.fromkeys(
            ("arenas", "idle_arenas", "owned_pages", "free_pages"), 0)
        for arena in arenas():
            place = int(arena["first_page"]) * PAGE_BYTES
            owned, free = int(arena["owned_pages"]), int(arena["free_pages"])
            self.same(f"owned pages of the arena at {place:#x}, counted and set",
                      owned, bits(elements(arena["owned"]["word"])))
            self.same(f"free pages of the arena at {place:#x}, counted and clear",
                      free, ARENA_PAGES - bits(elements(arena["used"]["word"])))
            for name, count in (("arenas", 1), ("idle_arenas", owned == free),
                                ("owned_pages", owned), ("free_pages", free)):
                counts[name] += int(count)
            found += list(spans_of_arena(arena))
        for name, count in counts.items():
            self.same(f"{name} of the page heaps and of all arenas", heap_sum(name), count)
        used = sum(int(span["pages"]) for span in found)
        self.same("pages in spans and pages in use",
                  used, counts["owned_pages"] - counts["free_pages"])
        return found

    def central_lists(self, found):
        for i in cache_ids():
            central = variable("central_lists")[i]
            listed = [span for head in ("partial", "full")
                      for span in nodes(central[head], "struct span", "link")]
            for span in listed:
                self.same(f"slots allocated of the span at {span_address(span):#x}, counted and set",
                          int(span["used_slots"]), bits(span_words(span)))
            self.same(f"spans of class {i}, counted and listed", int(central["spans"]), len(listed))
            self.same(f"spans of class {i}, listed and in arenas", sorted(map(span_address, listed)),
                      sorted(span_address(span) for span in found if int(span["cache_id"]) == i))
            self.same(f"slots allocated of class {i}", int(central["used_slots"]),
                      sum(int(span["used_slots"]) for span in listed))

    def caches(self):
        for cache in cpu_caches():
            granted = sum(int(cache["magazines"][i]["capacity"]) * object_bytes(i)
                          for i in cache_ids())
            self.same(f"bytes that cpu {int(cache['cpu'])} may cache",
                      int(cache["granted_bytes"]), granted)


for command in (Quarry, Info, Whatis, Spans, Verify):
    command()
