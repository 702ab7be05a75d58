/* SPDX-License-Identifier: MIT */
/*
 * Assembly entry points: interrupt stubs, the start of a CPU, the switch of stacks.
 */

        .text

/* ---- interrupts: 256 stubs of 16 bytes, then common code ---- */

/* The processor pushes an error code for these vectors; the stubs push 0 for the others. */
#define HAS_ERROR_CODE 0x60227d00       /* vectors 8, 10-14, 17, 21, 29, 30 */

        .balign 16
        .globl  interrupt_stubs
interrupt_stubs:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     vector >= 32
        pushq   $0
        .elseif (HAS_ERROR_CODE >> vector) & 1 == 0
        pushq   $0
        .endif
        pushq   $vector
        jmp     interrupt_common
        .set    vector, vector + 1
        .endr

interrupt_common:
        pushq   %rax
        pushq   %rbx
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %rdi              /* struct interrupt_frame * */
        movq    %rsp, %rbp
        andq    $-16, %rsp
        cld
        call    interrupt_dispatch
        movq    %rbp, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rbx
        popq    %rax
        addq    $16, %rsp               /* vector and error code */
        iretq

/* ---- void cpu_load_gdt(const struct table_pointer *gdt) ---- */

        .globl  cpu_load_gdt
cpu_load_gdt:
        lgdt    (%rdi)
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        popq    %rax                    /* return through the new code segment */
        pushq   $0x08
        pushq   %rax
        lretq

/* ---- _Noreturn void stack_switch(uintptr_t top, void (*next)(void *), void *argument) ---- */

        .globl  stack_switch
stack_switch:
        movq    %rdi, %rsp
        movq    %rdx, %rdi
        xorl    %ebp, %ebp
        pushq   %rbp                    /* ends the chain of frames; keeps 16-byte alignment */
        pushq   %rbp
        call    *%rsi
        ud2

/*
 * ---- the trampoline ----
 *
 * Copied to a page below 1 MiB, where a started CPU begins in real mode at offset 0, with CS set to
 * the page's segment. The boot CPU fills in the fields at the end. One write to CR0 enables
 * protection and paging and so enters long mode.
 */

        .section .rodata
        .balign 16
        .globl  trampoline_start
trampoline_start:
        .code16
        cli
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        lgdtl   trampoline_gdt_pointer - trampoline_start
        movl    trampoline_cr4 - trampoline_start, %eax
        movl    %eax, %cr4
        movl    trampoline_cr3 - trampoline_start, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER */
        movl    trampoline_efer - trampoline_start, %eax
        xorl    %edx, %edx
        wrmsr
        movl    trampoline_cr0 - trampoline_start, %eax
        movl    %eax, %cr0
        ljmpl   *(trampoline_far - trampoline_start)

        .code64
trampoline_64:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movq    trampoline_cpu(%rip), %rdi
        movq    trampoline_stack(%rip), %rsp
        xorl    %ebp, %ebp
        pushq   %rbp
        pushq   %rbp
        call    *trampoline_entry(%rip)
        ud2

        .balign 8
trampoline_gdt:
        .quad   0, 0x00af9a000000ffff, 0x00cf92000000ffff
        .globl  trampoline_gdt_pointer, trampoline_gdt_base, trampoline_far, trampoline_cr0
        .globl  trampoline_cr3, trampoline_cr4, trampoline_efer, trampoline_cpu
        .globl  trampoline_stack, trampoline_entry, trampoline_gdt, trampoline_64, trampoline_end
trampoline_gdt_pointer:
        .word   23
trampoline_gdt_base:
        .long   0
        .balign 8
trampoline_far:
        .long   0                       /* address of trampoline_64 */
        .word   0x08
        .balign 8
trampoline_cr0:
        .long   0
trampoline_cr3:
        .long   0
trampoline_cr4:
        .long   0
trampoline_efer:
        .long   0
        .balign 8
trampoline_cpu:
        .quad   0
trampoline_stack:
        .quad   0
trampoline_entry:
        .quad   0
trampoline_end:

        .section .note.GNU-stack, "", @progbits
