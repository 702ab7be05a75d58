/* SPDX-License-Identifier: MIT */
/* Restartable sequences under Linux; see restartable.h. */
#include "hosted/restartable.h"

#include <stdint.h>
#include <sys/rseq.h>

#include <quarry/port.h>

#include "lib/atomic.h"

/* Each on a line of its own: a claim is a store. */
struct entry {
    struct quarry_cpu *block;
} __attribute__((__aligned__(64)));

_Static_assert(sizeof(struct entry) == 64, "the sequences shift by 6");

/* By CPU; none of what Linux does not have is ever touched. */
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
 * From label 1 to label 2, the last instruction of which commits; whoever is sent back comes by
 * label 4, before which Linux wants glibc's signature. Then %rcx is the entry, %rdx the block.
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
    "       leaq    restartable_table(%%rip), %%rdx\n"                                                        \
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

void *restartable_pop(size_t stack)
{
    void *object;
    __asm__ volatile(SEQUENCE(
        "       movq    (%%rdx,%[stack],8), %%rax\n"
        "       movq    (%%rax), %%rax\n"
        "       testq   %%rax, %%rax\n"
        "       je      2f\n"
        "       subq    $8, (%%rdx,%[stack],8)\n")
        : "=&a"(object), [descriptor] "=m"(registration()->rseq_cs)
        : [cpu] "m"(registration()->cpu_id), [stack] "r"(stack)
        : "rcx", "rdx", "memory", "cc");
    return object;
}

bool restartable_push(size_t stack, void *object)
{
    uint64_t pushed;
    __asm__ volatile(SEQUENCE(
        "       movq    (%%rdx,%[stack],8), %%rcx\n"
        "       cmpq    $" TEXT(QUARRY_MAGAZINE_END_WORD) ", 8(%%rcx)\n"
        "       je      2f\n"
        "       movq    %[object], 8(%%rcx)\n"
        "       incl    %%eax\n"
        "       addq    $8, (%%rdx,%[stack],8)\n")
        : "=&a"(pushed), [descriptor] "=m"(registration()->rseq_cs)
        : [cpu] "m"(registration()->cpu_id), [stack] "r"(stack), [object] "r"(object)
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
    /* Seen by a forking thread before this one looks whether there is one. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return claimed ? (int)(entry - restartable_table) : RESTARTABLE_BUSY;
}
/* clang-format on */
