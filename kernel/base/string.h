/*
 * The part of <string.h> that Perch uses. The kernel brings its own bodies (string.c); a hosted
 * test links libc's, so that the sanitizers see every access.
 * SPDX-License-Identifier: MIT
 */
#ifndef PERCH_BASE_STRING_H
#define PERCH_BASE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

#if !__STDC_HOSTED__
/* A few bytes, their number known at compile time: a move or two instead of a call. */
#define STRING_INLINE_(n) (__builtin_constant_p(n) && (n) <= 64)
#define memcpy(d, s, n)   (STRING_INLINE_(n) ? __builtin_memcpy(d, s, n) : (memcpy)(d, s, n))
#define memset(d, c, n)   (STRING_INLINE_(n) ? __builtin_memset(d, c, n) : (memset)(d, c, n))
#endif

#endif
