/* The filter of system calls (seccomp) of the sandbox. */
#ifndef MK_FILTER_H
#define MK_FILTER_H

#include "harness/base/text.h"

/* The program for the kernel, bytes of struct sock_filter; empty on processors
 * it is not written for. */
struct str filter_program(void);

#endif
