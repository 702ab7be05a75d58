#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutants of ordering, publication, locking and undo: each must be found by a test.

    ordering.py [--only TEXT] [--jobs 2] [--explained]

Each mutant is applied to a copy of the sources. First the exploration of the copy runs, then the host
tests; one of them must fail. The text that a mutant replaces may move and be wrapped differently; a
mutant whose text is no longer in the sources is an error, and so are unchanged sources that fail. The
exit status is 1 if a mutant is found by no test. EXPLAINED lists mutants that no test can find, with the
reasons. They are tried with --explained, and one that a test finds is an error then.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import queue
import re
import shutil
import subprocess
import sys

TREES = "build/ordering"  # a copy of the sources for each job
FOLDERS = ("arch", "boot", "examples", "hosted", "include", "lib", "mk", "mm", "tests", "tools")
EXPLORER = "build/explore-gcc/explore"
HOST = "build/host-gcc/run-tests"
# Program, arguments, seconds.
CHECKS = (("the exploration", [EXPLORER, "executions=400", "random=30", "bound=2"], 150), ("the host tests", [HOST], 150))

# `function`: only inside it; "" for anywhere. Why: what goes wrong in the mutant.
Mutant = collections.namedtuple("Mutant", "path function old new why")

ACQUIRE = re.compile(r"spinlock_acquire\(&?[\w>.\-]+\)")
RELEASE = re.compile(r"spinlock_release\(&?[\w>.\-]+, irq\)")

ALLOCATOR = "mm/frames/frame_allocator.c"
CHILD = "mm/frames/frame_child.c"
RANGE = "mm/frames/frame_range.c"
FRONTIER = "mm/frames/frame_frontier.c"
RECLAIM = "mm/frames/frame_reclaim.c"
POOL = "mm/pages/metadata_pool.c"
HEAP = "mm/pages/page_heap.c"
RELEASES = "mm/pages/page_heap_release.c"
ARENA = "mm/pages/arena.c"
MAP = "mm/pages/page_map.c"
SPAN = "mm/pages/span.c"
CENTRAL = "mm/objects/central_list.c"
TRANSFER = "mm/objects/transfer_cache.c"
DRAIN = "mm/objects/cpu_cache_drain.c"
ONLINE = "mm/objects/cpu_cache_online.c"
REMOTE = "mm/reclaim/remote_drain.c"
CPUS = "mm/api/cpus.c"
LARGE = "mm/kinds/large.c"
ATOMIC = "lib/atomic.h"


# close_magazines() after its first statement.
CLOSING = """cache->sentinel[0] = NULL;
    cache->sentinel[1] = QUARRY_MAGAZINE_END;
    for (unsigned id = 0; id < CACHE_IDS; id++) {
        cache->magazines[id] = (struct magazine){.bottom = cache->sentinel};
        if (cache->block != NULL)
            *cpu_cache_top(cache, id) = cache->sentinel;
    }
    cache->granted_bytes = 0;
    cache->next_donor = 1;"""


def change(path, old, new, why, function=""):
    return Mutant(path, function, old, new, why)


def dropped(path, statement, why, function=""):
    return Mutant(path, function, statement, ";", why)


def swapped(path, first, second, why, function=""):
    """Two statements in the other order."""
    return Mutant(path, function, f"{first} {second}", f"{second} {first}", why)


def unlocked(path, function):
    """The function does not acquire its lock; interrupts are still off."""
    return Mutant(path, function, None, None, f"{function}() changes shared memory without its lock")


def weaker(path, call, why, function=""):
    """An acquire or a release that orders nothing."""
    relaxed = call.replace("_acquire(", "_relaxed(").replace("_release(", "_relaxed(")
    return Mutant(path, function, call, relaxed, why)


def blind(path, word, new, why, function=""):
    """A compare-and-swap of `old` that stores without comparing."""
    return Mutant(path, function, f"atomic_compare_swap({word}, &old, {new})",
                  f"(atomic_store_relaxed({word}, {new}), true)", why)


def in_two_steps(path, operation, word, operand, why, function=""):
    """A read-modify-write as a load and a store."""
    sign = {"add": "+", "sub": "-", "and": "&", "or": "|"}[operation]
    return Mutant(path, function, f"atomic_fetch_{operation}({word}, {operand})",
                  f"atomic_store_relaxed({word}, atomic_load_relaxed({word}) {sign} ({operand}))", why)


def unordered(name, order):
    """One operation of lib/atomic.h with relaxed order."""
    return Mutant(ATOMIC, "", f"__atomic_{name}, {order})", f"__atomic_{name}, __ATOMIC_RELAXED)",
                  f"{name.partition('(')[0]} orders nothing, anywhere")


MUTANTS = [
    # ---- published too early ----
    change(FRONTIER, "usable = tree_build(allocator, tree++);",
           "{ atomic_store_release(&allocator->frontier, tree + 1); usable = tree_build(allocator, tree++); }",
           "a CPU allocates from a tree that is not built yet"),
    change(MAP, "memory_clear(&page_map.cache_ids[old]",
           "atomic_store_release(&page_map.bound, bound); memory_clear(&page_map.cache_ids[old]",
           "a CPU reads entries of the page map that are not cleared yet"),
    change(ARENA, "if (everywhere == NULL) memory_clear(table, FRAME_BYTES);",
           "atomic_store_release(&arena->table, table); if (everywhere == NULL) memory_clear(table, FRAME_BYTES);",
           "a CPU reads the table of an arena before it is cleared"),
    change(ARENA, "*arena = (struct arena){.first_page = block_page};",
           "page_map_extend(block_page + ARENA_PAGES); page_map_set_arena(block_page, arena);"
           "*arena = (struct arena){.first_page = block_page};",
           "a CPU reads the record of an arena before it is written"),
    change(CENTRAL, "span_publish(span); }", "}"
           "irq_state early = spinlock_acquire(&central->lock); if (span != NULL) span_join(central, span);"
           "spinlock_release(&central->lock, early); if (span != NULL) span_publish(span); span = NULL;",
           "another CPU frees an object before the page map knows its span", "alloc_from_new_span"),
    change(CENTRAL, "span_publish(span); }", "}", "the page map does not know a new span", "alloc_from_new_span"),
    swapped(REMOTE, "(void)atomic_exchange(&cache->drain_requested, true);",
            "if (interrupt != NULL) interrupt(cpu);", "the interrupt arrives before the request"),
    change(REMOTE, "(void)atomic_exchange(&cache->drain_requested, true);",
           "atomic_store_release(&cache->drain_requested, true);",
           "the interrupt arrives while the request is in the store buffer"),
    change(RECLAIM, "atomic_store_release(&map->reclaimed, true); for",
           "for", "memory is freed that does not count as Quarry's yet"),
    # ---- withdrawn too late ----
    change(SPAN, "if (span->cache_id != 0) page_map_set_cache_id(span->first_page, span->pages, 0);"
           "page_heap_free(span->first_page, span->pages);",
           "page_heap_free(span->first_page, span->pages);"
           "if (span->cache_id != 0) page_map_set_cache_id(span->first_page, span->pages, 0);",
           "the ids of a span are cleared when its pages are another span's", "span_destroy"),
    change(DRAIN, "quarantine_drain(&cache->quarantine); if (cache->online) for",
           "atomic_store_release(&cache->drain_requested, false); quarantine_drain(&cache->quarantine);"
           "if (cache->online) for", "a drain is answered before it is done", "cpu_cache_drain"),
    dropped(ARENA, "page_map_set_arena(arena->first_page, NULL);", "the page map keeps an arena that is released"),
    # ---- weaker orders ----
    weaker(FRONTIER, "atomic_store_release(&allocator->frontier", "nothing orders a tree before the frontier"),
    weaker(ALLOCATOR, "atomic_load_acquire(&allocator->frontier)", "nothing orders the frontier before a tree",
           "alloc_other_tree"),
    weaker("lib/spinlock.h", "atomic_store_release(&lock->held, false)", "the release of a lock orders nothing"),
    weaker(MAP, "atomic_store_release(&page_map.bound", "nothing orders cleared entries before the bound"),
    weaker(MAP, "atomic_store_release(&page_map.arenas", "nothing orders an arena's record before its pointer"),
    weaker("mm/pages/page_map.h", "atomic_load_acquire(&page_map.arenas",
           "nothing orders an arena's pointer before its record"),
    weaker(ARENA, "atomic_store_release(&arena->table, table)", "nothing orders a table before its pointer"),
    weaker(ARENA, "atomic_load_acquire(&arena->table)", "nothing orders the pointer before the table"),
    weaker("mm/inspect/memory_use.c", "atomic_load_acquire(&page_map.bound)",
           "nothing orders the bound before the entries"),
    weaker(DRAIN, "atomic_store_release(&cache->drain_requested, false)",
           "nothing orders a drain before its answer"),
    weaker(REMOTE, "atomic_load_acquire(&cache->drain_requested)", "nothing orders an answer before the drain"),
    unordered("exchange_n((word), (value)", "__ATOMIC_ACQ_REL"),
    unordered("fetch_and((word), (value)", "__ATOMIC_ACQ_REL"),
    # ---- missing locks ----
    *(unlocked(path, function) for path, function in (
        (FRONTIER, "frame_frontier_advance"),
        (RECLAIM, "frame_allocator_reclaim"),
        (ALLOCATOR, "frame_tree_take"),
        (ALLOCATOR, "alloc_refetched"),
        (ALLOCATOR, "alloc_reserving"),
        (ALLOCATOR, "alloc_anywhere"),
        (ALLOCATOR, "frame_allocator_drain"),
        (POOL, "metadata_pool_alloc"),
        (POOL, "metadata_pool_free"),
        (POOL, "metadata_pool_drain"),
        (HEAP, "locked"),
        (HEAP, "add_as_free"),
        (HEAP, "alloc_contiguous"),
        (HEAP, "page_heap_free"),
        (HEAP, "page_heap_extend"),
        (RELEASES, "release_one"),
        (RELEASES, "page_heap_read_peak"),
        (CENTRAL, "alloc_from_new_span"),
        (CENTRAL, "central_list_alloc"),
        (CENTRAL, "central_list_free"),
        (CENTRAL, "central_list_drain"),
        (CENTRAL, "central_list_sums"),
        (TRANSFER, "alloc_cached"),
        (TRANSFER, "transfer_cache_free"),
        (TRANSFER, "shrink_locked"),
        (TRANSFER, "transfer_cache_trim"),
        (CPUS, "quarry_cpu_online"),
        (CPUS, "take_offline"),
        ("mm/inspect/stats.c", "add_page_heap"),
    )),
    # ---- decisions that are not atomic ----
    change(LARGE, "span_of_address(object) != span || !starts_at(span, object)", "false",
           "a double free of a large object frees another one"),
    change(LARGE, "!atomic_compare_swap(&span->state, &allocated, SPAN_UNLISTED)",
           "atomic_load_relaxed(&span->state) != allocated || (atomic_store_relaxed(&span->state, SPAN_UNLISTED), 0)",
           "two CPUs free the same large object"),
    blind(CHILD, "entry", "(child_entry)(old - frames)", "two CPUs take the same frames off a child", "child_take"),
    blind(CHILD, "word", "old | mask", "two CPUs set the same bits", "word_take"),
    blind(CHILD, "word", "old | mask", "two CPUs get the same frame", "take_in_word"),
    change(CHILD, "return atomic_compare_swap(entry, &whole, (child_entry)CHILD_HUGE);",
           "return *entry == whole && (atomic_store_relaxed(entry, (child_entry)CHILD_HUGE), true);",
           "two CPUs get the same huge frame"),
    in_two_steps(CHILD, "add", "entry", "(child_entry)frames", "freed frames are not counted", "child_give"),
    change(CHILD, "~atomic_fetch_and(&bits->word[at / WORD_BITS], ~mask) & mask;",
           "~bits->word[at / WORD_BITS] & mask; bits->word[at / WORD_BITS] &= ~mask;",
           "another CPU's bits are set or cleared again", "child_bits_give"),
    in_two_steps(ALLOCATOR, "add", "&allocator->trees[tree]", "(uint32_t)frames", "freed frames are not counted",
                 "frame_tree_give"),
    blind(ALLOCATOR, "&reservation->word", "old - frames", "two CPUs take the same frames off a reservation",
          "reservation_take"),
    blind(ALLOCATOR, "&reservation->word", "old + frames", "freed frames are not counted", "reservation_give"),
    blind(ALLOCATOR, "entry", "new_flags", "two CPUs reserve the same tree", "tree_take_all"),
    blind(ALLOCATOR, "entry", "old - (uint32_t)frames", "two CPUs take the same frames off a tree",
          "tree_take_some"),
    blind(ALLOCATOR, "word", "reservation_word(tree, 0)", "recalled frames are used or counted twice", "tree_recall"),
    change(ALLOCATOR, "uint64_t old = atomic_exchange(&reservation->word, word);",
           "uint64_t old = atomic_load_relaxed(&reservation->word); atomic_store_relaxed(&reservation->word, word);",
           "frames of a replaced reservation are counted twice"),
    change(ALLOCATOR, "while (!atomic_compare_swap(entry, &seen, opened));",
           "while (atomic_store_relaxed(entry, opened), false);", "frames freed to a tree are not counted",
           "reservation_replace"),
    in_two_steps(LARGE, "add", "&live.objects", "1", "large objects are not counted", "large_alloc"),
    in_two_steps(LARGE, "sub", "&live.pages", "span->pages", "large objects are not counted", "free_large"),
    change("lib/spinlock.h", "while (unlikely(atomic_exchange(&lock->held, true))) spinlock_wait(lock);",
           "while (unlikely(atomic_load_acquire(&lock->held))) spinlock_wait(lock);"
           "atomic_store_release(&lock->held, true);", "two CPUs hold the same lock"),
    # ---- a wrong order of steps ----
    change(ALLOCATOR, "unsigned wrong = child_bits_give(",
           "child_give(&allocator->children[child], (unsigned)count); unsigned wrong = child_bits_give(",
           "frames are counted twice when they are freed", "free_in_child"),
    change(ALLOCATOR, "uint64_t *word = &allocator->reservations[i].word;",
           "uint64_t *word = &allocator->reservations[i].word; if (i > 0) break;",
           "the reservations of other CPUs are not recalled", "tree_recall"),
    # ---- undo ----
    dropped(CHILD, "child_bits_give(bits, first, at - first);", "bits of a claim that failed stay set"),
    change(CHILD, "child_bits_give(bits, first, at - first);", "child_bits_give(bits, first, at - first + piece);",
           "a claim that failed clears bits of another CPU"),
    dropped(ALLOCATOR, "child_give(entry, 1u << order);", "frames of a claim that failed are lost to the child",
            "claim_in_child"),
    dropped(ALLOCATOR, "give_back(allocator, reservation, tree, (size_t)1 << order);",
            "frames of a claim that failed are lost to the reservation", "alloc_reserved"),
    dropped(ALLOCATOR, "frame_tree_give(allocator, tree, (size_t)1 << order);",
            "frames of a search that failed are lost to the tree", "search_all_trees"),
    change(ALLOCATOR, "if (!reservation_give(reservation, tree, frames)) frame_tree_give(allocator, tree, frames);",
           "reservation_give(reservation, tree, frames);", "frames freed by a CPU that reserves another tree are lost"),
    dropped(RANGE, "child_give(entry, (unsigned)count);", "frames of a piece that failed are lost to the child",
            "claim_in_entry_and_bits"),
    dropped(RANGE, "frame_tree_give(allocator, tree, count);", "frames of a piece that failed are lost to the tree",
            "claim_piece"),
    change(RANGE, "if (at < end && at > first)", "if (false)", "the first pieces of a claim that failed stay claimed",
           "claim_run"),
    dropped(HEAP, "frames_free_range(at, end - at);", "frames of an object that does not fit are lost", "add_frames"),
    change(HEAP, "if (at > first) free_pieces(heap, first, at - first); return false;", "return false;",
           "pages of an object that does not fit are lost", "add_frames"),
    change(HEAP, "if (at < end && at > start) free_pieces(heap, start, at - start);", "",
           "pages of an object that does not grow are lost", "page_heap_extend"),
    change(SPAN, "descriptor_destroy(span); return NULL; } return span;", "return NULL; } return span;",
           "the descriptor of a span without pages is lost", "span_create_small"),
    change(SPAN, "return span; descriptor_destroy(span); return NULL;", "return span; return NULL;",
           "the descriptor of a large object without pages is lost", "span_create_large"),
    change(ARENA, "if (is_new) record_destroy(arena);", "", "the record of an arena without a table is lost"),
    change(TRANSFER, "else atomic_fetch_sub(&granted_bytes, more);", "", "budget that was not used is lost", "grow"),
]


# No test can find these. The reasons precede them.
EXPLAINED = [
    # The lock only keeps two searches from claiming what the other one frees again; the claims decide.
    unlocked(RANGE, "frame_allocator_alloc_range"),
    unlocked(RANGE, "frame_allocator_alloc_remnant"),
    # All of the arena is the caller's object; no other CPU touches its record.
    unlocked(HEAP, "page_heap_split"),
    # Only a lookup of an address without an object sees the difference, and it is a hint.
    change(SPAN, "page_heap_free(span->first_page, span->pages); descriptor_destroy(span);",
           "size_t first = span->first_page, pages = span->pages; descriptor_destroy(span);"
           "page_heap_free(first, pages);",
           "the pages' table has a descriptor that is another span's", "span_destroy"),
    # close_magazines() does not access the magazines' memory, and interrupts are masked.
    swapped(ONLINE, "close_magazines(cache);", "frames_free_range(frame_at(cache->area), area_frames());"
            "cache->area = NULL;", "magazines are in use when their memory is free", "cpu_cache_close"),
    # Only statistics read the cache of another CPU, and they read it without any order.
    swapped(ONLINE, "atomic_store_release(&cache->online, false);", CLOSING, "a CPU goes offline and says so last",
            "close_magazines"),
]


# ---- applying a mutant ----

def pattern(text):
    """The text, however it is wrapped."""
    return re.compile(r"\s*".join(re.escape(token) for token in re.findall(r"\w+|[^\w\s]", text)))


def part_of(path, text, function):
    """The definition of a function, or the whole text."""
    if not function:
        return text
    found = re.search(r"^[\w *()]*\b" + function + r"\([^;{]*\)\n\{\n.*?^\}\n", text, re.M | re.S)
    if found is None:
        sys.exit(f"{path} has no function {function}")
    return found.group()


def apply(mutant, text):
    part = part_of(mutant.path, text, mutant.function)
    if mutant.old is None:
        changed = RELEASE.sub("quarry_port_irq_restore(irq)", ACQUIRE.sub("quarry_port_irq_save()", part))
    else:
        changed = pattern(mutant.old).sub(lambda found: mutant.new, part)
    if changed == part:
        sys.exit(f"{mutant.path}: {mutant.why}: the text to replace is no longer there")
    return text.replace(part, changed)


# ---- trying one ----

def copy_file(source, target):
    """Only if it differs: make compares times, and an object may come from a mutant of an earlier run."""
    if not pathlib.Path(target).exists() or pathlib.Path(target).read_bytes() != pathlib.Path(source).read_bytes():
        shutil.copy(source, target)


def copy_sources(tree):
    tree.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        shutil.copytree(name, tree / name, dirs_exist_ok=True, copy_function=copy_file)
    copy_file("Makefile", tree / "Makefile")


def build(tree, program):
    # A mutant may leave something unused.
    done = subprocess.run(["make", "-C", str(tree), "CC=gcc", "WARNINGS=", program], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit("the mutant does not build:\n" + done.stderr)


def found_by(tree):
    """The check of the copy that fails, and its first failure; None: none does."""
    for name, command, seconds in CHECKS:
        build(tree, command[0])
        try:
            done = subprocess.run([str(tree / command[0]), *command[1:]], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=seconds,
                                  check=False)
        except subprocess.TimeoutExpired:
            return name, "too long"
        lines = done.stdout.splitlines()
        failures = [line for line in lines if line.startswith("not ok") or line.startswith("# ") and "race at" in line]
        if done.returncode != 0:
            return name, failures[0] if failures else "a crash"
    return None


def try_mutant(tree, mutant, original):
    target = tree / mutant.path
    target.write_text(apply(mutant, original))
    found = found_by(tree)
    target.write_text(original)
    where = f"{mutant.path} {mutant.function}".strip()
    if found is None:
        print(f"NOT FOUND: {where}: {mutant.why}", flush=True)
    else:
        print(f"found by {found[0]}: {where}: {mutant.why}\n    {found[1][:240]}", flush=True)
    return found[0] if found else "no test"


def try_all(mutants, jobs):
    """How many were found by each check."""
    trees = queue.Queue()
    for job in range(jobs):
        tree = pathlib.Path(TREES) / str(job)
        copy_sources(tree)
        trees.put(tree)
    found = found_by(tree)
    if found is not None:
        sys.exit(f"the unchanged sources fail: {found}")

    def work(item):
        tree = trees.get()
        try:
            return try_mutant(tree, *item)
        finally:
            trees.put(tree)

    # Read now: the sources may be edited while this runs.
    items = [(mutant, pathlib.Path(mutant.path).read_text()) for mutant in mutants]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return collections.Counter(pool.map(work, items))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--explained", action="store_true")
    options = parser.parse_args()
    mutants = EXPLAINED if options.explained else MUTANTS
    wanted = [m for m in mutants if options.only in f"{m.path} {m.function} {m.why}"]
    for mutant in wanted:
        apply(mutant, pathlib.Path(mutant.path).read_text())
    by = try_all(wanted, options.jobs)
    print(f"{len(wanted)} mutants: " + ", ".join(f"{number} by {name}" for name, number in by.items()))
    wrong = len(wanted) - by["no test"] if options.explained else by["no test"]
    sys.exit(wrong > 0)


main()
