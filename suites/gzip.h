/* Files that may be compressed with gzip. */
#ifndef MK_GZIP_H
#define MK_GZIP_H

#include "harness/base/buf.h"
#include "harness/base/err.h"

/* Reads the file whole, unpacked if it begins as gzip does; appended to out,
 * whose limit bounds what a small file may unpack to. */
enum err_code gzip_read(const char *path, struct buf *out,
                        struct err *e) MUST_CHECK;

#endif
