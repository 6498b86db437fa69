/* Answers of any size that no model would write, the same ones each time: what
 * patterns, brackets and numbers are known to be slow on. */
#ifndef MK_JUNK_H
#define MK_JUNK_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/buf.h"

/* A deterministic generator: a test fails the same way each time. */
uint32_t junk_random(uint32_t *seed);

/* The name of junk i, NULL after the last. */
const char *junk_name(size_t i);
/* Fills b up to n bytes; the last character may be more or less than whole. */
void junk_fill(struct buf *b, size_t n, size_t i);

/* CPU time of this thread: the machine may be busy. */
double junk_cpu_ms(void);

#endif
