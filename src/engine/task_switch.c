/* SPDX-License-Identifier: MIT
 *
 * The switch itself: saves what the calling convention says a function must keep, exchanges the stack pointer,
 * restores, returns. Signal masks are not touched. The sanitizers' fibers are announced around it.
 *
 * Invariant: a context's saved stack pointer points at a frame in the layout that the switch of this machine writes;
 * plait__context_init writes the first one by hand.
 * Test: tests/engine/test_task.c, tests/engine/switch.sh (this file alone, as ucontext and for aarch64 under an
 * emulator).
 */
#include "engine/task_switch.h"

#include <stdint.h>
#include <string.h>

#ifdef PLAIT__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef PLAIT__TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef PLAIT_SWITCH_UCONTEXT

static void enter(unsigned fn_high, unsigned fn_low, unsigned arg_high, unsigned arg_low)
{
    void (*fn)(void *) = (void (*)(void *))(uintptr_t)((uint64_t)fn_high << 32 | fn_low);
    fn((void *)(uintptr_t)((uint64_t)arg_high << 32 | arg_low));
}

static void prepare(struct plait__context *c, void (*fn)(void *arg), void *arg)
{
    const uint64_t f = (uintptr_t)fn;
    const uint64_t a = (uintptr_t)arg;
    getcontext(&c->uc);
    c->uc.uc_stack.ss_sp = (void *)(uintptr_t)c->stack;
    c->uc.uc_stack.ss_size = c->stack_bytes;
    c->uc.uc_link = NULL;
    makecontext(&c->uc, (void (*)(void))enter, 4, (unsigned)(f >> 32), (unsigned)f, (unsigned)(a >> 32), (unsigned)a);
}

static void exchange(struct plait__context *from, struct plait__context *to)
{
    swapcontext(&from->uc, &to->uc);
}

#else

void plait__switch(void **save_sp, void *load_sp);
void plait__switch_enter(void);

#if defined(__x86_64__)

/* System V: rbx, rbp, r12 to r15, the control bits of SSE and x87. A new context finds its function in r12, the
 * argument in r13. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl plait__switch\n"
        ".hidden plait__switch\n"
        ".type plait__switch, @function\n"
        "plait__switch:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size plait__switch, .-plait__switch\n"
        ".p2align 4\n"
        ".globl plait__switch_enter\n"
        ".hidden plait__switch_enter\n"
        ".type plait__switch_enter, @function\n"
        "plait__switch_enter:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    endbr64\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size plait__switch_enter, .-plait__switch_enter\n");

enum { SLOT_CONTROL, SLOT_R15, SLOT_R14, SLOT_ARG, SLOT_FN, SLOT_RBX, SLOT_RBP, SLOT_RETURN, FRAME_SLOTS = 10 };

static void control_words(uint64_t *slot)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    *slot = mxcsr | (uint64_t)x87 << 32;
}

#else /* aarch64 */

/* AAPCS64: x19 to x30, d8 to d15. A new context finds its function in x19, the argument in x20. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl plait__switch\n"
        ".hidden plait__switch\n"
        ".type plait__switch, %function\n"
        "plait__switch:\n"
        "    .cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size plait__switch, .-plait__switch\n"
        ".p2align 4\n"
        ".globl plait__switch_enter\n"
        ".hidden plait__switch_enter\n"
        ".type plait__switch_enter, %function\n"
        "plait__switch_enter:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    mov x0, x20\n"
        "    blr x19\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size plait__switch_enter, .-plait__switch_enter\n");

enum { SLOT_FN, SLOT_ARG, SLOT_RETURN = 11, FRAME_SLOTS = 20 };

#endif

static void prepare(struct plait__context *c, void (*fn)(void *arg), void *arg)
{
    const uintptr_t top = ((uintptr_t)c->stack + c->stack_bytes) & ~(uintptr_t)15;
    uintptr_t *slot = (uintptr_t *)(top - FRAME_SLOTS * sizeof(uintptr_t));
    memset(slot, 0, FRAME_SLOTS * sizeof *slot);
#if defined(__x86_64__)
    control_words(&slot[SLOT_CONTROL]);
#endif
    slot[SLOT_FN] = (uintptr_t)fn;
    slot[SLOT_ARG] = (uintptr_t)arg;
    slot[SLOT_RETURN] = (uintptr_t)plait__switch_enter;
    c->sp = slot;
}

static void exchange(struct plait__context *from, struct plait__context *to)
{
    plait__switch(&from->sp, to->sp);
}

#endif

void plait__context_init(struct plait__context *context, void *stack, size_t stack_bytes, void (*fn)(void *arg),
                         void *arg)
{
    memset(context, 0, sizeof *context);
    context->stack = stack;
    context->stack_bytes = stack_bytes;
#ifdef PLAIT__TSAN
    context->fiber = __tsan_create_fiber(0);
#endif
    prepare(context, fn, arg);
}

void plait__context_deinit(struct plait__context *context)
{
#ifdef PLAIT__TSAN
    __tsan_destroy_fiber(context->fiber);
#endif
#ifdef PLAIT__ASAN
    /* frames that were never left have their red zones still marked; the stack is for others now */
    __asan_unpoison_memory_region(context->stack, context->stack_bytes);
#endif
    (void)context;
}

void plait__switch_to(struct plait__context *from, struct plait__context *to, bool last)
{
#ifdef PLAIT__TSAN
    from->fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
#ifdef PLAIT__ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, to->stack, to->stack_bytes);
#endif
    exchange(from, to);
#ifdef PLAIT__ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, &to->stack, &to->stack_bytes);
#endif
    (void)last;
}

void plait__switch_arrived(struct plait__context *here, struct plait__context *from)
{
#ifdef PLAIT__ASAN
    __sanitizer_finish_switch_fiber(here->fake_stack, &from->stack, &from->stack_bytes);
#endif
    (void)here;
    (void)from;
}
