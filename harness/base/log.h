/* stderr, one event a line: "info sample suite=logic item=17 ms=412".
 * Never called by matchers, kernels, or base (but log.c). */
#ifndef MK_LOG_H
#define MK_LOG_H

#include "harness/base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_level(void);
/* event is one word; fmt gives pairs key=value (values with spaces quoted by
 * the caller). */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
