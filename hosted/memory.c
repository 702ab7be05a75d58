/* SPDX-License-Identifier: MIT */
/*
 * The address space that serves as physical memory, and the stop; see hosted.h.
 *
 * It grows by 64 MiB, in the order of addresses, as Quarry needs it. So limits on address space and
 * on data, also those that are set while the program runs, act on what is used, and a program can
 * lock its memory. Nothing is reserved in between: the addresses are far from those that Linux
 * chooses for others.
 */
#include "hosted/hosted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <quarry_arch.h>

#define GIB ((uintptr_t)1 << 30)

/* The heap begins in the second 64 MiB that are used, and has this much at least. The first 64 MiB
 * have the tables. */
#define HEAP_FIRST_BYTE (2 * HOSTED_FIRST_BYTE)
#define HEAP_BYTES_MIN (4 * HOSTED_FIRST_BYTE)

/* The heap grows by this much. */
#define GROWTH_BYTES ((size_t)64 << 20)

/* Tables that do not grow with the heap: caches of CPUs. The others are 2 bytes for each page, and
 * a little more. All are less than 64 MiB, so the two regions do not touch. */
#define TABLES_BYTES_MIN ((uint64_t)4 << 20)

static void write_line(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, text, left);
        if (written < 0 && errno != EINTR)
            return;
        if (written > 0) {
            text += written;
            left -= (size_t)written;
        }
    }
}

_Noreturn void quarry_port_panic(const char *report)
{
    write_line(report);
    write_line("\n");
    abort();
}

/* ---- address space ---- */

/* Physical addresses [HOSTED_FIRST_BYTE, mapped_end) are mapped. */
static uint64_t mapped_end = HOSTED_FIRST_BYTE;
static uintptr_t direct_map;

static bool map_at(uintptr_t address, size_t bytes)
{
    void *mapping = mmap((void *)address, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapping != MAP_FAILED && (uintptr_t)mapping != address) { /* an old Linux */
        munmap(mapping, bytes);
        return false;
    }
    return mapping != MAP_FAILED;
}

static bool map_up_to(uint64_t end)
{
    if (end <= mapped_end)
        return true;
    if (!map_at(direct_map + mapped_end, end - mapped_end))
        return false;
    mapped_end = end;
    return true;
}

bool hosted_memory_needed(void *start, size_t bytes)
{
    int error = errno;
    bool mapped = !hosted_thread.no_growth && map_up_to((uintptr_t)start - direct_map + bytes);
    errno = error;
    return mapped;
}

/* A multiple of 1 GiB between 1 and 9 TiB, which differs from process to process. Linux puts no
 * mapping there unless it is asked to. */
static uintptr_t distant_address(void)
{
    const uint16_t *random = (const void *)getauxval(AT_RANDOM);
    return (1024 + (random != NULL ? *random % 8192u : 0u)) * GIB;
}

/* Where Linux chooses; all of it at once, because what is behind it may be used by others. */
static uint64_t map_anywhere(uint64_t bytes)
{
    for (; bytes >= HEAP_BYTES_MIN; bytes /= 2) {
        void *mapping = mmap(NULL, bytes + GIB, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED)
            continue;
        direct_map = ((uintptr_t)mapping + GIB - 1) & ~(GIB - 1);
        mapped_end = bytes;
        return bytes;
    }
    quarry_port_panic("quarry: no address space for the heap");
}

static uint64_t limit_of(int resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

/* Tables are in proportion to the heap. So it is no larger than the process may become. */
static uint64_t heap_bytes(void)
{
    uint64_t limit = limit_of(RLIMIT_AS);
    if (limit_of(RLIMIT_DATA) < limit)
        limit = limit_of(RLIMIT_DATA);
    if (limit > HOSTED_MEMORY_BYTES)
        limit = HOSTED_MEMORY_BYTES;
    limit = limit / HEAP_BYTES_MIN * HEAP_BYTES_MIN;
    return limit > HEAP_BYTES_MIN ? limit : HEAP_BYTES_MIN;
}

struct hosted_memory hosted_memory_map(void)
{
    uint64_t bytes = heap_bytes();
    uint64_t tables = ((bytes >> 11) + (bytes >> 14) + TABLES_BYTES_MIN) & ~(uint64_t)0xfff;
    direct_map = distant_address();
    if (!map_up_to(HOSTED_FIRST_BYTE + tables))
        bytes = map_anywhere(bytes);
    return (struct hosted_memory){
        .direct_map = direct_map,
        .tables = {HOSTED_FIRST_BYTE, tables, QUARRY_MEMORY_USABLE},
        .heap = {HEAP_FIRST_BYTE, bytes - HEAP_FIRST_BYTE, QUARRY_MEMORY_USABLE},
    };
}

/* ---- requests that Linux would refuse ---- */

void hosted_memory_expect(size_t bytes)
{
    if (bytes < GROWTH_BYTES)
        return;
    int error = errno;
    void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe != MAP_FAILED)
        munmap(probe, bytes);
    hosted_thread.no_growth = probe == MAP_FAILED;
    errno = error;
}
