/* Members of a zip archive, read one after the other with libarchive: stored,
 * deflated or in Zstandard.
 *
 * The archive is hostile until it has been read: names are only compared,
 * never used as file names, and limits bound what it may unpack to.  Its
 * directory, at the end, says what it holds, so an archive that was cut off
 * does not open.  libarchive takes memory of the C library: it offers no
 * other way. */
#ifndef MK_ZIP_H
#define MK_ZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"
#include "harness/base/text.h"

struct zip_limits {
    size_t members;
    size_t bytes; /* that zip_read() may unpack of all members together; what
                   * one may unpack to is the limit of its buffer */
};

struct zip;

/* `bytes` must outlive *out, which is the caller's, freed by zip_close(). */
enum err_code zip_open(struct zip **out, struct str bytes,
                       const struct zip_limits *limits,
                       struct err *e) MUST_CHECK;
void zip_close(struct zip *z);
/* The first bytes are those of a zip archive, whole or not. */
bool zip_is(struct str bytes);

/* Steps to the next member, in the order they stand in the file; *name, in
 * UTF-8, lives until the next call and is NULL after the last. */
enum err_code zip_next(struct zip *z, const char **name,
                       struct err *e) MUST_CHECK;
/* Appends the member's content, its checksum right; once a member. */
enum err_code zip_read(struct zip *z, struct buf *out,
                       struct err *e) MUST_CHECK;

#endif
