/* SPDX-License-Identifier: MIT
 *
 * Memory for tasks' stacks, straight from the kernel: whole pages, the lowest of which cannot be touched, so that
 * running over the end of a stack ends the process instead of writing into what lies below. It is apart because it is
 * the one part of tasks that calls the operating system.
 * Test: tests/engine/test_task.c.
 */
#include "engine/task_core.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t plait__stack_round(size_t bytes)
{
    const size_t page = page_bytes();
    return bytes > SIZE_MAX - 2 * page ? SIZE_MAX - 2 * page + 1 : (bytes + page - 1) / page * page;
}

void *plait__stack_map(size_t bytes)
{
    const size_t guard = page_bytes();
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    uint8_t *base = mmap(NULL, guard + bytes, PROT_NONE, flags, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (mprotect(base + guard, bytes, PROT_READ | PROT_WRITE) == 0)
        return base + guard;
    munmap(base, guard + bytes);
    return NULL;
}

void plait__stack_unmap(void *stack, size_t bytes)
{
    const size_t guard = page_bytes();
    munmap((uint8_t *)stack - guard, guard + bytes);
}
