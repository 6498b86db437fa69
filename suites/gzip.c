/* Files that may be compressed with gzip, by zlib. */
#include "suites/gzip.h"

#include <zlib.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"

enum { PIECE = 65536, GZIP_WINDOW = 15 + 16 };

static void *take(void *unused, unsigned n, unsigned size)
{
    (void)unused;
    return mem_array(n, size);
}

static void give(void *unused, void *p)
{
    (void)unused;
    mem_free(p);
}

static enum err_code unpack(struct buf *packed, struct buf *out, struct err *e)
{
    unsigned char piece[PIECE];
    z_stream z = { .zalloc = take, .zfree = give };
    int rc = Z_OK;

    if (packed->n > UINT32_MAX || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
        return err_set(e, ERR_NOMEM, "no memory to unpack it");
    z.next_in = (Bytef *)packed->p;
    z.avail_in = (unsigned)packed->n;
    while (rc == Z_OK && !out->failed) {
        z.next_out = piece;
        z.avail_out = PIECE;
        rc = inflate(&z, Z_NO_FLUSH);
        buf_add(out, piece, PIECE - z.avail_out);
    }
    inflateEnd(&z);
    if (rc == Z_MEM_ERROR)
        return err_set(e, ERR_NOMEM, "no memory to unpack it");
    if (rc != Z_STREAM_END && !out->failed)
        return err_set(e, ERR_FORMAT, "is no whole gzip file");
    return buf_check(out, "what it unpacks to", e);
}

enum err_code gzip_read(const char *path, struct buf *out, struct err *e)
{
    struct buf raw;
    enum err_code rc;

    buf_init(&raw, out->limit);
    rc = io_read(path, &raw, e);
    if (!rc && str_starts(buf_view(&raw), STR("\x1f\x8b"))) {
        rc = unpack(&raw, out, e);
        if (rc)
            rc = err_wrap(e, "%s", path);
    } else if (!rc) {
        buf_text(out, buf_view(&raw));
        rc = buf_check(out, path, e);
    }
    buf_free(&raw);
    return rc;
}
