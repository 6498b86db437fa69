/* mokao merge: shards' databases into one. */
#include <errno.h>
#include <inttypes.h>

#include "harness/base/json.h"
#include "harness/cli/cmd.h"
#include "harness/store/store.h"

enum option_key { OPT_DB = 0x100, OPT_JSON };

struct options {
    const char *db;
    struct cli_list others;
    bool json;
};

static const struct argp_option rows[] = {
    { "db", OPT_DB, "FILE", 0,
      "results database that takes them in (" DEFAULT_DB ")", 0 },
    { "json", OPT_JSON, NULL, 0, "print what was taken as JSON", 0 },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return cli_list_add(&o->others, arg);
    case ARGP_KEY_END:
        if (o->others.n > 0)
            return 0;
        argp_error(st, "which databases?");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "DB...",
    .doc = "Copies what the databases hold into one.  Samples are known by "
           "their content, so one that several hold is taken once, and merging "
           "again changes nothing.  Each database is taken wholly or not at "
           "all; none of them is written.",
};

static void print_json(const char *name, const struct store_merge *m,
                       struct jw *w)
{
    jw_object(w, NULL);
    jw_str(w, "db", name);
    jw_int(w, "samples", m->samples);
    jw_int(w, "duplicates", m->duplicates);
    jw_int(w, "responses", m->responses);
    jw_int(w, "scores", m->scores);
    jw_int(w, "errors", m->errors);
    jw_end(w);
}

static void print_text(const char *name, const struct store_merge *m,
                       struct buf *out)
{
    buf_printf(
        out,
        "%s: %" PRId64 " samples, %" PRId64 " responses, %" PRId64
        " scores, %" PRId64 " errors taken; %" PRId64 " samples were there\n",
        name, m->samples, m->responses, m->scores, m->errors, m->duplicates);
}

static enum err_code merge(const struct options *o, struct buf *out,
                           struct err *e)
{
    struct store *s = NULL;
    struct store_merge m;
    struct jw w;
    enum err_code rc = store_open(&s, o->db, false, e);

    jw_init(&w, out, false);
    if (o->json)
        jw_array(&w, NULL);
    for (size_t i = 0; !rc && i < o->others.n; i++) {
        rc = store_merge(s, o->others.v[i], &m, e);
        if (!rc && o->json)
            print_json(o->others.v[i], &m, &w);
        else if (!rc)
            print_text(o->others.v[i], &m, out);
    }
    if (o->json) {
        jw_end(&w);
        buf_char(out, '\n');
    }
    store_close(s);
    return rc;
}

static int run(int argc, char **argv)
{
    struct options o = { .db = DEFAULT_DB };
    struct buf out;
    struct err e, print_error;
    enum err_code rc;
    int status = cli_parse(&argp, argc, argv, &o);

    if (status) {
        cli_list_free(&o.others);
        return status - 1;
    }
    buf_init(&out, (size_t)16 << 20);
    /* What was taken before a failure is taken, and said. */
    rc = merge(&o, &out, &e);
    if (cli_print(&out, &print_error) && !rc) {
        e = print_error;
        rc = e.code;
    }
    buf_free(&out);
    cli_list_free(&o.others);
    return rc ? cli_fail(&e) : 0;
}

const struct cmd cmd_merge = {
    .name = "merge",
    .doc = "joins shards' databases; no sample is counted twice",
    .run = run,
};
