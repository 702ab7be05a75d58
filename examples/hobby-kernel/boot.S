/* SPDX-License-Identifier: MIT */
/*
 * Assembly code: the path from the loader's state (32 bits, no paging) to main() in the higher half,
 * the same for every further CPU, interrupt entries, the switch of stacks.
 *
 * Virtual memory: all physical memory up to 64 GiB, in 2 MiB pages, at 0 (for the code at low
 * addresses; the final root in machine.c has no such mapping) and at DIRECT_MAP. The first GiB is
 * also mapped at KERNEL_BASE, for the image.
 */
#define KERNEL_BASE 0xffffffff80000000
#define GIBS 64
#define LARGE_PAGE 0x83 /* present, writable, 2 MiB */
#define TABLE 0x03
#define STACK_BYTES 16384

#define CODE_SELECTOR 8

/* ---- headers for the loaders ---- */

    .section .multiboot2, "a"
    .balign 8
header:
    .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
    .word 0, 0
    .long 8
header_end:

    .section .note.pvh, "a", @note
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad start

/* ---- 32 bits ---- */

    .section .boot, "awx"
    .code32
    .globl start
start: /* eax: multiboot2's magic number, or undefined; ebx: the loader's information */
    cli
    cld
    movl %eax, boot_magic - KERNEL_BASE
    movl %ebx, boot_info - KERNEL_BASE

    movl $(tables_direct - KERNEL_BASE + TABLE), %eax
    movl %eax, root - KERNEL_BASE
    movl %eax, root - KERNEL_BASE + 256 * 8
    movl $(tables_kernel - KERNEL_BASE + TABLE), root - KERNEL_BASE + 511 * 8
    movl $(pages - KERNEL_BASE + TABLE), tables_kernel - KERNEL_BASE + 510 * 8

    movl $(pages - KERNEL_BASE + TABLE), %eax
    xorl %ecx, %ecx
1:  movl %eax, tables_direct - KERNEL_BASE(, %ecx, 8)
    addl $4096, %eax
    incl %ecx
    cmpl $GIBS, %ecx
    jb 1b

    movl $LARGE_PAGE, %eax
    xorl %edx, %edx
    xorl %ecx, %ecx
2:  movl %eax, pages - KERNEL_BASE(, %ecx, 8)
    movl %edx, pages - KERNEL_BASE + 4(, %ecx, 8)
    addl $0x200000, %eax
    adcl $0, %edx
    incl %ecx
    cmpl $(GIBS * 512), %ecx
    jb 2b

    movl $1f, %edi
    jmp long_mode

    .code64
1:  movabsq $(boot_stack + STACK_BYTES), %rsp
    movabsq $main, %rax
    call *%rax
    ud2

/* Switches to 64 bits, then jumps to edi. */
    .code32
long_mode:
    movl $0x20, %eax /* physical address extension */
    movl %eax, %cr4
    movl $(root - KERNEL_BASE), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000011, %eax /* paging, protection */
    movl %eax, %cr0
    lgdt gdt_32
    ljmp $CODE_SELECTOR, $1f
    .code64
1:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    jmpq *%rdi

    .balign 8
    .globl gdt
gdt:
    .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00cf9a000000ffff
gdt_32:
    .word gdt_32 - gdt - 1
    .quad gdt

/* ---- further CPUs: real-mode code, copied to a page below 1 MiB ---- */

    .globl trampoline, trampoline_end
    .code16
trampoline:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl 0f - trampoline + 0x8000 /* TRAMPOLINE in machine.c */
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $24, $started
    .balign 8
0:  .word gdt_32 - gdt - 1
    .long gdt
trampoline_end:

    .code32
started:
    movl $16, %eax
    movl %eax, %ds
    movl $1f, %edi
    jmp long_mode
    .code64
1:  movabsq $cpu_stack, %rax
    movq (%rax), %rsp
    movabsq $cpu_main, %rax
    call *%rax
    ud2

/* ---- the higher half ---- */

    .text
/* switch_stacks(void **save, void *load): switches the stack and the callee-saved registers. */
    .globl switch_stacks
switch_stacks:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* 256 entries of 16 bytes each. The CPU pushes an error code for some exceptions. */
    .balign 16
    .globl interrupt_entries
interrupt_entries:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0
    .endif
    pushq $vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr

interrupt_common: /* pushes struct interrupt_frame, last field first */
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    call interrupt
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    .bss
    .balign 4096
    .globl boot_magic, boot_info, root
root:          .skip 4096
tables_direct: .skip 4096
tables_kernel: .skip 4096
pages:         .skip 4096 * GIBS
boot_stack:    .skip STACK_BYTES
boot_magic:    .skip 4
boot_info:     .skip 4

    .section .note.GNU-stack, "", @progbits
