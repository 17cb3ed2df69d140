/* SPDX-License-Identifier: MIT
 *
 * Switching stacks, for tasks alone. A context is where one side of a pair stands; plait__switch_to saves the own side
 * and goes on with the other. x86-64 and aarch64 have their own few instructions, other machines ucontext
 * (-DPLAIT_SWITCH_UCONTEXT takes it anywhere). The sanitizers are told of each switch. Uses nothing of the reactor:
 * tests/engine/switch_self.c runs it alone.
 */
#ifndef PLAIT_ENGINE_TASK_SWITCH_H
#define PLAIT_ENGINE_TASK_SWITCH_H

#include <stdbool.h>
#include <stddef.h>

#if !defined(PLAIT_SWITCH_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define PLAIT_SWITCH_UCONTEXT 1
#endif

#ifdef PLAIT_SWITCH_UCONTEXT
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define PLAIT__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIT__ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define PLAIT__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLAIT__TSAN 1
#endif
#endif

struct plait__context {
#ifdef PLAIT_SWITCH_UCONTEXT
    ucontext_t uc;
#else
    void *sp;
#endif
    const void *stack; /* lowest byte; known for the loop's own stack after the first switch away from it */
    size_t stack_bytes;
#ifdef PLAIT__ASAN
    void *fake_stack;
#endif
#ifdef PLAIT__TSAN
    void *fiber;
#endif
};

/* Prepares a context that begins with fn(arg) at the first switch to it. fn begins with plait__switch_arrived and ends
 * with a switch that does not come back. */
void plait__context_init(struct plait__context *context, void *stack, size_t stack_bytes, void (*fn)(void *arg),
                         void *arg);

/* Gives back what the sanitizers hold for a context that is not running and will not run again. */
void plait__context_deinit(struct plait__context *context);

/* Goes from one context to another; returns when somebody comes back. `last`: nobody will. */
void plait__switch_to(struct plait__context *from, struct plait__context *to, bool last);

/* First act of a new context: tells who came here from where. */
void plait__switch_arrived(struct plait__context *here, struct plait__context *from);

#endif
