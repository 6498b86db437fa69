/* The rows of a call that asks models: the call itself, the models. */
#include "harness/cli/cli_rows.h"

#include <sys/utsname.h>

#include "harness/base/io.h"
#include "harness/base/json.h"

static void spec_json(const struct model_spec *m, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_str(&w, "id", m->id);
    jw_str(&w, "runner", m->kind);
    jw_str(&w, "name", m->name);
    if (m->template)
        jw_str(&w, "template", m->template);
    if (m->system)
        jw_str(&w, "system", m->system);
    jw_end(&w);
}

enum err_code cli_put_model(struct store *s, struct runner *r,
                            const struct model_spec *m, struct arena *a,
                            int64_t *id, struct err *e)
{
    struct store_model row = {
        .id = m->id,
        .name = m->name,
        .vendor = m->vendor,
        .kind = m->kind,
        .size_b = m->size_b,
        .price_in = m->price_in,
        .price_out = m->price_out,
        .currency = m->currency,
        .price_date = m->price_date,
        .open = m->open,
        .domestic = m->domestic,
    };
    struct buf spec;
    enum err_code rc;

    if (r->kind->fingerprint(r, a, &row.fingerprint, e))
        return e->code;
    buf_init(&spec, 1 << 20);
    spec_json(m, &spec);
    row.spec_json = spec.p;
    rc = buf_check(&spec, "the model's spec", e);
    if (!rc)
        rc = store_put_model(s, &row, id, e);
    buf_free(&spec);
    return rc;
}

enum err_code cli_put_run(struct store *s, int argc, char **argv, int64_t *id,
                          struct err *e)
{
    struct utsname host = { 0 };
    struct store_run row = { .version = MK_VERSION,
                             .host = host.nodename,
                             .options_json = "{}",
                             .started_ms = io_wall_ms() };
    struct buf line;
    enum err_code rc;

    uname(&host);
    buf_init(&line, 1 << 20);
    for (int i = 0; i < argc; i++)
        buf_printf(&line, "%s%s", i ? " " : "", argv[i]);
    row.command_line = line.p;
    rc = buf_check(&line, "the command line", e);
    if (!rc)
        rc = store_put_run(s, &row, id, e);
    buf_free(&line);
    return rc;
}
