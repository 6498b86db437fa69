/* Where the library's plain `char *err` meets struct err: every public function
 * ends in `return status_out(rc, &e, err);`. */
#ifndef MK_STATUS_H
#define MK_STATUS_H

#include "harness/base/err.h"

/* The enum mk_status of rc.  When rc is a failure and err is not NULL, copies
 * e's message to err (MK_ERR_LEN bytes). */
int status_out(enum err_code rc, const struct err *e, char *err);

#endif
