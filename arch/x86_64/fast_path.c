/* SPDX-License-Identifier: MIT */
/*
 * The restartable fast path: allocation and freeing without masking interrupts, locks or atomic
 * instructions.
 *
 * Push and pop work on this CPU's magazines (mm/objects/magazine.h), which they find through GS.
 * A sequence is a few loads, for a push one store above the magazine's top, and one instruction
 * that commits: it moves the magazine's top, in memory, by one place. Code that interrupts the CPU
 * before the commit finds a consistent magazine. It may push and pop, drain the cache, or move the
 * thread to another CPU. The values loaded before the interrupt are stale then. So the interrupt
 * entry calls quarry_irq_enter(), which compares the saved instruction pointer with the sequences
 * and sends an interrupted sequence back to its first instruction. A sequence does not write the
 * registers that hold its inputs, so it can start again.
 *
 *      saved instruction pointer        the CPU continues at
 *      first instruction                the same instruction: nothing was done yet
 *      any other up to the commit       the first instruction
 *      after the commit                 the same instruction: the operation is complete
 *
 * The commit is one instruction that reads and writes memory. An interrupt cannot divide it, and no
 * other CPU writes this magazine, so it needs no lock prefix.
 *
 * A page fault or an NMI in a sequence is handled like an interrupt. An interrupt from user mode
 * never has a saved instruction pointer in this range.
 *
 * Instructions, with call and return: quarry_alloc() 13, quarry_free() 14. The test for a miss is
 * included: the sentinel always misses, so requests of cache id 0 need no test of their own.
 *
 * On a miss the sequences jump to the C functions of mm/api and mm/frames. This is the one place
 * where the port depends on code above it; see docs/decisions/014-circles-that-stay.md.
 *
 * Source: Bershad, Redell and Ellis, "Fast mutual exclusion for uniprocessors" (ASPLOS 1992), for
 * restartable sequences; TCMalloc and Linux's rseq(2), for per-CPU caches built on them.
 */
#include <quarry_arch.h>

#if !QUARRY_MASKED

#include "mm/api/layout.h"
#include <quarry/config.h>

#define TEXT QUARRY_ARCH_TEXT

#define ZEROED_AT_ONCE 128 /* bytes; above this size the start-up cost of rep stosq is small */

_Static_assert(offsetof(struct quarry_cpu, top) == 0, "the tops of the magazines come first");

/* The top of the magazine whose number is in a register; a field of the page map. */
#define TOP(number) "%gs:" TEXT(QUARRY_GS_BLOCK) "(,%" number ",8)"
#define FRAME_TOP "%gs:" TEXT(QUARRY_GS_BLOCK) "+8*" TEXT(LAYOUT_FRAME_MAGAZINE)
#define MAP(field) "page_map+" TEXT(LAYOUT_MAP_##field) "(%rip)"

/* The head of a function. */
#define FUNCTION(name) ".globl " name "\n.type " name ", @function\n" name ":\n"

/* clang-format off */
__asm__(
    ".pushsection .text\n"
    ".hidden quarry_restart_begin, quarry_restart_end\n"
    ".globl quarry_restart_begin, quarry_restart_end\n"
    ".balign 64\n"
    "quarry_restart_begin:\n"

#if QUARRY_HARDEN == 0
    ".hidden size_class_lookup, size_class_lookup_pages, page_map, frames\n"
    ".hidden heap_alloc_slow, heap_zeroed, heap_free_slow, frame_alloc_slow, frame_free_slow\n"

    /* void *quarry_alloc(size_t bytes) */
    FUNCTION("quarry_alloc")
    "       cmpq    $" TEXT(LAYOUT_LOOKUP_BYTES_MAX) ", %rdi\n"
    "       ja      1f\n"
    "       leaq    7(%rdi), %rax\n"
    "       shrq    $3, %rax\n"
    "       leaq    size_class_lookup(%rip), %rcx\n"
    "       movzbl  (%rcx,%rax), %esi\n"
    /* void *quarry_alloc_of(size_t bytes, size_t size_class) */
    FUNCTION("quarry_alloc_of")
    "alloc_first:\n"
    "       movq    " TOP("rsi") ", %rax\n"
    "       movq    (%rax), %rax\n"
    "       testq   %rax, %rax\n"
    "       je      2f\n"
    "alloc_commit:\n"
    "       subq    $8, " TOP("rsi") "\n"
    "       ret\n"
    "1:     xorl    %esi, %esi\n"
    "       cmpq    $" TEXT(LAYOUT_CLASS_BYTES_MAX) ", %rdi\n"
    "       ja      2f\n"
    "       leaq    (1 << " TEXT(LAYOUT_PAGE_SHIFT) ") - 1(%rdi), %rax\n"
    "       shrq    $" TEXT(LAYOUT_PAGE_SHIFT) ", %rax\n"
    "       leaq    size_class_lookup_pages(%rip), %rcx\n"
    "       movzbl  (%rcx,%rax), %esi\n"
    "       jmp     alloc_first\n"
    "2:     xorl    %edx, %edx\n" /* no flags */
    "       movq    (%rsp), %rcx\n" /* the caller */
    "       jmp     heap_alloc_slow\n"

    /* void quarry_free(void *object) */
    ".balign 64\n"
    FUNCTION("quarry_free")
    "       movq    %rdi, %rax\n"
    "       subq    " MAP(START) ", %rax\n"
    "       shrq    $" TEXT(LAYOUT_PAGE_SHIFT) ", %rax\n"
    "       cmpq    " MAP(PAGES) ", %rax\n"
    "       jae     1f\n"
    "       movq    " MAP(CACHE_IDS) ", %rcx\n"
    "       movzwl  (%rcx,%rax,2), %esi\n"
    /* void quarry_free_of(void *object, size_t size_class) */
    FUNCTION("quarry_free_of")
    "free_first:\n"
    "       movq    " TOP("rsi") ", %rax\n"
    "       cmpq    $" TEXT(QUARRY_MAGAZINE_END_WORD) ", 8(%rax)\n"
    "       je      2f\n"
    "       movq    %rdi, 8(%rax)\n"
    "free_commit:\n"
    "       addq    $8, " TOP("rsi") "\n"
    "       ret\n"
    "1:     xorl    %esi, %esi\n"
    "2:     movq    (%rsp), %rdx\n" /* the caller */
    "       jmp     heap_free_slow\n"

    /* void *quarry_zeroed(size_t bytes): the same; then a jump into 16 stores, one for each word */
    ".balign 64\n"
    FUNCTION("quarry_zeroed")
    "       cmpq    $" TEXT(ZEROED_AT_ONCE) ", %rdi\n"
    "       ja      heap_zeroed\n"
    "       leaq    7(%rdi), %r8\n"
    "       shrq    $3, %r8\n"
    "       leaq    size_class_lookup(%rip), %rcx\n"
    "       movzbl  (%rcx,%r8), %esi\n"
    "zeroed_first:\n"
    "       movq    " TOP("rsi") ", %rax\n"
    "       movq    (%rax), %rax\n"
    "       testq   %rax, %rax\n"
    "       je      heap_zeroed\n"
    "zeroed_commit:\n"
    "       subq    $8, " TOP("rsi") "\n"
    "       xorl    %edx, %edx\n"
    "       leaq    1f(%rip), %rcx\n"
    "       shlq    $2, %r8\n" /* a store is 4 bytes long */
    "       subq    %r8, %rcx\n"
    "       jmp     *%rcx\n"
    "       .set    word, " TEXT(ZEROED_AT_ONCE) " / 8\n"
    "       .rept   " TEXT(ZEROED_AT_ONCE) " / 8\n"
    "       .set    word, word - 1\n"
    "       {disp8} movq %rdx, 8 * word(%rax)\n"
    "       .endr\n"
    "1:     ret\n"

    /* uint64_t quarry_frame_alloc(unsigned order) */
    ".balign 64\n"
    FUNCTION("quarry_frame_alloc")
    "       testl   %edi, %edi\n"
    "       jne     frame_alloc_slow\n"
    "frame_alloc_first:\n"
    "       movq    " FRAME_TOP ", %rax\n"
    "       testq   %rax, %rax\n"
    "       je      frame_alloc_slow\n" /* a CPU that was never online */
    "       movq    (%rax), %rax\n"
    "       testq   %rax, %rax\n"
    "       je      frame_alloc_slow\n"
    "frame_alloc_commit:\n"
    "       subq    $8, " FRAME_TOP "\n"
    "       ret\n"

    /* void quarry_frame_free(uint64_t physical, unsigned order): misaligned or too high is slow */
    ".balign 64\n"
    FUNCTION("quarry_frame_free")
    "       testl   %esi, %esi\n"
    "       jne     frame_free_slow\n"
    "       movq    %rdi, %rax\n"
    "       rorq    $" TEXT(LAYOUT_PAGE_SHIFT) ", %rax\n" /* a misaligned address becomes huge */
    "       decq    %rax\n"
    "       cmpq    frames+" TEXT(LAYOUT_FRAMES_LAST) "(%rip), %rax\n"
    "       jae     frame_free_slow\n"
    "frame_free_first:\n"
    "       movq    " FRAME_TOP ", %rax\n"
    "       testq   %rax, %rax\n"
    "       je      frame_free_slow\n"
    "       cmpq    $" TEXT(QUARRY_MAGAZINE_END_WORD) ", 8(%rax)\n"
    "       je      frame_free_slow\n"
    "       movq    %rdi, 8(%rax)\n"
    "frame_free_commit:\n"
    "       addq    $8, " FRAME_TOP "\n"
    "       ret\n"
#endif

    /* void *quarry_port_pop(size_t magazine) */
    ".balign 64\n"
    FUNCTION("quarry_port_pop")
    "pop_first:\n"
    "       movq    " TOP("rdi") ", %rax\n"
    "       movq    (%rax), %rax\n"
    "       testq   %rax, %rax\n"
    "       je      1f\n"
    "pop_commit:\n"
    "       subq    $8, " TOP("rdi") "\n"
    "1:     ret\n"

    /* bool quarry_port_push(size_t magazine, void *object) */
    ".balign 64\n"
    FUNCTION("quarry_port_push")
    "push_first:\n"
    "       movq    " TOP("rdi") ", %rcx\n"
    "       xorl    %eax, %eax\n"
    "       cmpq    $" TEXT(QUARRY_MAGAZINE_END_WORD) ", 8(%rcx)\n"
    "       je      1f\n"
    "       movq    %rsi, 8(%rcx)\n"
    "       incl    %eax\n"
    "push_commit:\n"
    "       addq    $8, " TOP("rdi") "\n"
    "1:     ret\n"
    "quarry_restart_end:\n"
    ".popsection\n");
/* clang-format on */

/* A CPU interrupted after `first`, up to and including `commit`, continues at `first`. */
struct sequence {
    const char *first;
    const char *commit;
};

extern const char alloc_first[], alloc_commit[], free_first[], free_commit[];
extern const char zeroed_first[], zeroed_commit[];
extern const char frame_alloc_first[], frame_alloc_commit[];
extern const char frame_free_first[], frame_free_commit[];
extern const char pop_first[], pop_commit[], push_first[], push_commit[];

/* Out of line, for a saved instruction pointer inside this code, perhaps in no sequence. */
__attribute__((__noinline__, __cold__)) void quarry_restart(uintptr_t *instruction)
{
    const struct sequence sequences[] = {
#if QUARRY_HARDEN == 0
        {alloc_first, alloc_commit},
        {free_first, free_commit},
        {zeroed_first, zeroed_commit},
        {frame_alloc_first, frame_alloc_commit},
        {frame_free_first, frame_free_commit},
#endif
        {pop_first, pop_commit},
        {push_first, push_commit},
    };
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        if (*instruction > (uintptr_t)sequences[i].first &&
            *instruction <= (uintptr_t)sequences[i].commit)
            *instruction = (uintptr_t)sequences[i].first;
}

#endif
