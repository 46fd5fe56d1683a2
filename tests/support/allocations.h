/* allocations.h - counts what malloc and its kin are asked for, by the program and by every library in it.
 *
 * Included by the one .c file of a test program: it puts itself in front of the C library's functions, so that a pair
 * of malloc and free counts too, which mallinfo2 does not see.  Sanitizers have an allocator of their own; there
 * nothing is counted and ALLOCATIONS_COUNTED is 0. */
#ifndef DRIFTD_TEST_ALLOCATIONS_H
#define DRIFTD_TEST_ALLOCATIONS_H

#include <stddef.h>
#include <stdlib.h>

static volatile size_t allocations;

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || !defined __GLIBC__
#define ALLOCATIONS_COUNTED 0
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALLOCATIONS_COUNTED 0
#endif
#endif
#ifndef ALLOCATIONS_COUNTED
#define ALLOCATIONS_COUNTED 1

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}
#endif

#endif
