/* libarchive's reader of zip archives with an end to what it unpacks. */
#include "harness/outputs/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

#include "harness/base/mem.h"

enum { PIECE = 65536 };

struct zip {
    struct archive *a;
    struct archive_entry *entry;
    struct zip_limits left;
    locale_t utf8; /* libarchive gives names in the thread's locale */
};

bool zip_is(struct str bytes)
{
    return str_starts(bytes, STR("PK\x03\x04")) ||
           str_starts(bytes, STR("PK\x05\x06"));
}

static const char *fault(const struct zip *z)
{
    const char *said = archive_error_string(z->a);

    return said ? said : "damaged";
}

static enum err_code open_archive(struct zip *z, struct str bytes,
                                  struct err *e)
{
    if (!zip_is(bytes))
        return err_set(e, ERR_FORMAT, "is no zip archive");
    z->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!z->utf8)
        return err_set(e, ERR_NOENV, "the system has no locale C.UTF-8");
    z->a = archive_read_new();
    if (!z->a || archive_read_support_format_zip_seekable(z->a) != ARCHIVE_OK)
        return err_set(e, ERR_NOMEM, "no memory to unpack it");
    if (archive_read_open_memory(z->a, bytes.p, bytes.n) != ARCHIVE_OK)
        return err_set(e, ERR_FORMAT,
                       "the end of the archive, where its directory stands, is "
                       "missing: it was cut off, or is still being written");
    return ERR_OK;
}

enum err_code zip_open(struct zip **out, struct str bytes,
                       const struct zip_limits *limits, struct err *e)
{
    struct zip *z = mem_zalloc(sizeof *z);
    enum err_code rc;

    *out = NULL;
    if (!z)
        return err_set(e, ERR_NOMEM, "no memory to unpack it");
    z->left = *limits;
    rc = open_archive(z, bytes, e);
    if (rc)
        zip_close(z);
    else
        *out = z;
    return rc;
}

void zip_close(struct zip *z)
{
    if (!z)
        return;
    archive_read_free(z->a);
    if (z->utf8)
        freelocale(z->utf8);
    mem_free(z);
}

/* A warning is of the name alone: it could not be read as UTF-8. */
static enum err_code next_entry(struct zip *z, const char **name, struct err *e)
{
    int rc = archive_read_next_header(z->a, &z->entry);

    *name = NULL;
    if (rc == ARCHIVE_EOF)
        return ERR_OK;
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
        return err_set(e, ERR_FORMAT, "the archive's directory: %s", fault(z));
    if (z->left.members-- == 0)
        return err_set(e, ERR_LIMIT, "the archive has too many members");
    *name = archive_entry_pathname_utf8(z->entry);
    if (!*name || !text_check(str_of(*name), NULL))
        return err_set(e, ERR_FORMAT, "a member's name is not UTF-8");
    return ERR_OK;
}

enum err_code zip_next(struct zip *z, const char **name, struct err *e)
{
    locale_t before = uselocale(z->utf8);
    enum err_code rc = next_entry(z, name, e);

    uselocale(before);
    return rc;
}

static enum err_code unpack(struct zip *z, struct buf *out, struct err *e)
{
    char piece[PIECE];
    la_ssize_t n;

    while ((n = archive_read_data(z->a, piece, sizeof piece)) > 0) {
        if ((size_t)n > z->left.bytes)
            return err_set(e, ERR_LIMIT, "the archive unpacks to too much");
        z->left.bytes -= (size_t)n;
        buf_add(out, piece, (size_t)n);
        if (out->failed)
            return buf_check(out, "what it unpacks to", e);
    }
    return n == 0 ? ERR_OK : err_set(e, ERR_FORMAT, "%s", fault(z));
}

enum err_code zip_read(struct zip *z, struct buf *out, struct err *e)
{
    const char *name = archive_entry_pathname_utf8(z->entry);

    if (archive_entry_is_data_encrypted(z->entry))
        return err_set(e, ERR_FORMAT,
                       "%s is encrypted: unpack the archive with its password "
                       "and pack it without",
                       name);
    return unpack(z, out, e) ? err_wrap(e, "%s", name) : ERR_OK;
}
