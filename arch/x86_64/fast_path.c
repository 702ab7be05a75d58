/* SPDX-License-Identifier: MIT */
/*
 * The restartable fast path: allocation and freeing without a masked interrupt, a lock or an atomic
 * instruction.
 *
 * Push and pop work on this CPU's stacks (mm/objects/cpu_cache.h), which they find behind GS. Each
 * is a few loads, and for a push a store that nobody looks at yet, and then one instruction that
 * commits: it moves the stack's top, in memory, by one place. Whoever interrupts the CPU before
 * that instruction finds the stack whole, and may push and pop himself, drain the cache, or move
 * the thread to another CPU. What was loaded is stale then; so the interrupt's entry, which sees by
 * the saved instruction pointer where the CPU was, sends it back to the sequence's beginning
 * (quarry_irq_enter()). All that a sequence starts from is still in its registers: it writes none
 * of them.
 *
 *      saved instruction pointer        the CPU goes on at
 *      first instruction                there: nothing was done yet
 *      any other up to the commit       the first instruction
 *      behind the commit                there: it is done
 *
 * The commit is one instruction that reads and writes memory. On one CPU it cannot be divided, and
 * no other CPU ever writes this stack, so it needs no lock prefix.
 *
 * A page fault or an NMI in the middle is an interrupt like any other. Interrupts that arrive in
 * user mode never meet these addresses.
 *
 * Instructions, with call and return: quarry_alloc() 13, quarry_free() 14, and a miss is told by
 * the test that the way needs anyway.
 *
 * Source: restartable sequences are Bershad, Redell and Ellis, "Fast mutual exclusion for
 * uniprocessors" (ASPLOS 1992); per-CPU caches on them, TCMalloc and Linux's rseq(2).
 */
#include <quarry_arch.h>

#if !QUARRY_MASKED

#include "mm/api/layout.h"
#include <quarry/config.h>

#define TEXT QUARRY_ARCH_TEXT

#define ZEROED_AT_ONCE 128 /* bytes: beyond, the string instructions' start-up does not matter */

_Static_assert(offsetof(struct quarry_cpu, top) == 0, "the stacks' tops begin the block");

/* One stack's top, for the number in a register; a field of the page map. */
#define TOP(number) "%gs:" TEXT(QUARRY_GS_BLOCK) "(,%" number ",8)"
#define FRAME_TOP "%gs:" TEXT(QUARRY_GS_BLOCK) "+8*" TEXT(LAYOUT_FRAME_MAGAZINE)
#define MAP(field) "page_map+" TEXT(LAYOUT_MAP_##field) "(%rip)"

/* A function of the allocator's own, or of its API. */
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

    /* void *quarry_zeroed(size_t bytes): the same, then as many of 16 stores as it has words */
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

    /* void quarry_frame_free(uint64_t physical, unsigned order): only what may be a frame enters */
    ".balign 64\n"
    FUNCTION("quarry_frame_free")
    "       testl   %esi, %esi\n"
    "       jne     frame_free_slow\n"
    "       movq    %rdi, %rax\n"
    "       rorq    $" TEXT(LAYOUT_PAGE_SHIFT) ", %rax\n" /* what is unaligned is huge now */
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

    /* void *quarry_port_pop(size_t stack) */
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

    /* bool quarry_port_push(size_t stack, void *object) */
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

/* From behind `first` to `commit`, both included: to be done again. */
struct sequence {
    const char *first;
    const char *commit;
};

extern const char alloc_first[], alloc_commit[], free_first[], free_commit[];
extern const char zeroed_first[], zeroed_commit[];
extern const char frame_alloc_first[], frame_alloc_commit[];
extern const char frame_free_first[], frame_free_commit[];
extern const char pop_first[], pop_commit[], push_first[], push_commit[];

/* Out of line: what quarry_irq_enter() found among these functions, but perhaps in no sequence. */
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
