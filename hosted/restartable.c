/* SPDX-License-Identifier: MIT */
/* Restartable sequences under Linux; see restartable.h. */
#include "hosted/restartable.h"

#include <stdint.h>
#include <sys/rseq.h>

#include <quarry/port.h>

#include "lib/atomic.h"

/* Each on a separate cache line, because a claim writes it. */
struct entry {
    struct quarry_cpu *block;
} __attribute__((__aligned__(64)));

_Static_assert(sizeof(struct entry) == 64, "the sequences shift by 6");

/* By CPU number. Entries of CPUs that do not exist are never accessed, so they take no memory. */
static struct entry restartable_table[RESTARTABLE_CPUS_MAX] __attribute__((used));

static volatile struct rseq *registration(void)
{
    return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/* A CPU's number is negative for a thread that is not registered. */
bool restartable_works(void)
{
    return __rseq_size != 0 && (int)registration()->cpu_id >= 0;
}

unsigned restartable_cpu(void)
{
    return registration()->cpu_id;
}

void restartable_set(unsigned cpu, struct quarry_cpu *block)
{
    __atomic_store_n(&restartable_table[cpu].block, block, __ATOMIC_RELEASE);
}

struct quarry_cpu *restartable_block(unsigned cpu)
{
    return __atomic_load_n(&restartable_table[cpu].block, __ATOMIC_SEQ_CST);
}

/* ---- the sequences ---- */

/*
 * A sequence is the code from label 1 to label 2; its last instruction commits. Linux sends an
 * interrupted sequence to label 4, which must be preceded by glibc's signature. In `body`, %rcx is
 * the entry's address and %rdx the block.
 */
#define TEXT_(token) #token
#define TEXT(token) TEXT_(token)

/* clang-format off */
#define SEQUENCE(body)                                                                            \
    ".pushsection __rseq_cs, \"aw\"\n"                                                            \
    ".balign 32\n"                                                                                \
    "3:     .long   0, 0\n"                                                                       \
    "       .quad   1f, 2f - 1f, 4f\n"                                                            \
    ".popsection\n"                                                                               \
    "0:     leaq    3b(%%rip), %%rax\n"                                                           \
    "       movq    %%rax, %[descriptor]\n"                                                       \
    "1:     movl    %[cpu], %%ecx\n"                                                              \
    "       shlq    $6, %%rcx\n"                                                                  \
    "       leaq    restartable_table(%%rip), %%rdx\n"                                            \
    "       addq    %%rdx, %%rcx\n"                                                               \
    "       movq    (%%rcx), %%rdx\n"                                                             \
    "       xorl    %%eax, %%eax\n"                                                               \
    "       testq   %%rdx, %%rdx\n"                                                               \
    "       je      2f\n"                                                                         \
    body                                                                                          \
    "2:\n"                                                                                        \
    ".pushsection .text.unlikely, \"ax\"\n"                                                       \
    "       .byte   0x0f, 0xb9, 0x3d\n" /* ud1, with the signature as its operand */              \
    "       .long   " TEXT(RSEQ_SIG) "\n"                                                         \
    "4:     jmp     0b\n"                                                                         \
    ".popsection\n"

void *restartable_pop(size_t magazine)
{
    void *object;
    __asm__ volatile(SEQUENCE(
        "       movq    (%%rdx,%[magazine],8), %%rax\n"
        "       movq    (%%rax), %%rax\n"
        "       testq   %%rax, %%rax\n"
        "       je      2f\n"
        "       subq    $8, (%%rdx,%[magazine],8)\n")
        : "=&a"(object), [descriptor] "=m"(registration()->rseq_cs)
        : [cpu] "m"(registration()->cpu_id), [magazine] "r"(magazine)
        : "rcx", "rdx", "memory", "cc");
    return object;
}

bool restartable_push(size_t magazine, void *object)
{
    uint64_t pushed;
    __asm__ volatile(SEQUENCE(
        "       movq    (%%rdx,%[magazine],8), %%rcx\n"
        "       cmpq    $" TEXT(QUARRY_MAGAZINE_END_WORD) ", 8(%%rcx)\n"
        "       je      2f\n"
        "       movq    %[object], 8(%%rcx)\n"
        "       incl    %%eax\n"
        "       addq    $8, (%%rdx,%[magazine],8)\n")
        : "=&a"(pushed), [descriptor] "=m"(registration()->rseq_cs)
        : [cpu] "m"(registration()->cpu_id), [magazine] "r"(magazine), [object] "r"(object)
        : "rcx", "rdx", "memory", "cc");
    return pushed != 0;
}

int restartable_claim(void)
{
    struct entry *entry;
    uint64_t claimed;
    __asm__ volatile(SEQUENCE(
        "       incl    %%eax\n"
        "       movq    $0, (%%rcx)\n")
        : "=&a"(claimed), "=&c"(entry), [descriptor] "=m"(registration()->rseq_cs)
        : [cpu] "m"(registration()->cpu_id)
        : "rdx", "memory", "cc");
    /* A forking thread must see the claim before this thread reads hosted_forker. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return claimed ? (int)(entry - restartable_table) : RESTARTABLE_BUSY;
}
/* clang-format on */
