/* json_parse() on any bytes; what it takes must survive a round trip. */
#include <stdlib.h>

#include "harness/base/json.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void write_text(const struct json *j, struct buf *out)
{
    struct err e;

    buf_init(out, 1 << 24);
    if (json_write_canonical(j, out, &e))
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct json *j, *again;
    struct buf once, twice;
    struct err e;

    if (json_parse(&j, text, &e))
        return 0;
    write_text(j, &once);
    if (json_parse(&again, buf_view(&once), &e))
        abort();
    write_text(again, &twice);
    if (!str_eq(buf_view(&once), buf_view(&twice)))
        abort();
    json_free(j);
    json_free(again);
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
