/* SPDX-License-Identifier: MIT */
/* The address space that serves as physical memory, and the stop; see hosted.h. */
#include "hosted/hosted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <quarry/port.h>

#define GIB ((uintptr_t)1 << 30)

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

/* Reserved, not committed: Linux commits memory at the first access. Called by one thread. */
uintptr_t hosted_direct_map(void)
{
    static uintptr_t start;
    if (start != 0)
        return start;
    void *mapping = mmap(NULL, HOSTED_MEMORY_BYTES + GIB, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED)
        quarry_port_panic("quarry: no address space for the heap");
    start = ((uintptr_t)mapping + GIB - 1) & ~(GIB - 1);
    return start;
}

void hosted_memory_idle(void *start, size_t bytes)
{
    int error = errno;
    madvise(start, bytes, MADV_DONTNEED); /* on failure the memory stays resident */
    errno = error;
}
