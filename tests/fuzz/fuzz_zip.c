/* Any bytes as a zip archive: refused with a reason, or members within the
 * limits. */
#include "harness/outputs/zip.h"
#include "tests/fuzz/fuzz.h"

enum { MEMBERS = 16, BYTES = 1 << 20, MEMBER_BYTES = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct zip_limits limits = { MEMBERS, BYTES };
    struct err e = { .msg = "" };
    const char *name = "";
    size_t members = 0, bytes = 0;
    enum err_code rc;
    struct zip *z = NULL;

    rc = zip_open(&z, fuzz_text(data, size), &limits, &e);
    while (!rc && !(rc = zip_next(z, &name, &e)) && name) {
        struct buf b;

        must(text_check(str_of(name), NULL), "a name is UTF-8");
        buf_init(&b, MEMBER_BYTES);
        rc = zip_read(z, &b, &e);
        bytes += b.n;
        must(++members <= MEMBERS && bytes <= BYTES, "within the limits");
        buf_free(&b);
    }
    must(!rc || e.msg[0], "a refusal has a reason");
    zip_close(z);
    return 0;
}
