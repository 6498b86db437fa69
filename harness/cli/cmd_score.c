/* mokao score: stored responses again, with today's matchers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/cli/cmd.h"
#include "harness/score.h"

enum option_key { OPT_DB = 0x100, OPT_ALL, OPT_JSON };

struct options {
    const char *db;
    bool all, json;
    int64_t shown_ns; /* when progress was last shown, or the start */
    bool shown;
};

static const struct argp_option rows[] = {
    { "db", OPT_DB, "FILE", 0, "results database (" DEFAULT_DB ")", 0 },
    { "all", OPT_ALL, NULL, 0,
      "also what the same matcher and version has judged", 0 },
    { "json", OPT_JSON, NULL, 0, "print the totals as JSON", 0 },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_DB:
        o->db = arg;
        return 0;
    case OPT_ALL:
        o->all = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(st, "unexpected argument \"%s\"", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .doc = "Scores stored responses with today's matchers: those that have no "
           "score yet, or whose matcher, version or settings changed.  No "
           "model is called; verdicts that are replaced stay in the history.",
};

static void on_progress(void *user, int64_t done, int64_t n)
{
    struct options *o = user;
    bool terminal = cli_stderr_is_terminal();
    int64_t now = io_now_ns();

    if (now - o->shown_ns < (terminal ? 100000000 : 1000000000))
        return;
    o->shown_ns = now;
    o->shown = true;
    fprintf(stderr,
            terminal ? "\r%" PRId64 "/%" PRId64 "\033[K"
                     : "%" PRId64 "/%" PRId64 "\n",
            done, n);
}

static void print_json(const struct score_totals *t, struct buf *out)
{
    struct jw w;

    jw_init(&w, out, false);
    jw_object(&w, NULL);
    jw_int(&w, "scored", t->scored);
    jw_int(&w, "changed", t->changed);
    jw_int(&w, "to_correct", t->to_correct);
    jw_int(&w, "to_wrong", t->to_wrong);
    jw_int(&w, "unparsable", t->unparsable);
    jw_int(&w, "refused", t->refused);
    jw_int(&w, "current", t->current);
    jw_int(&w, "unscored", t->unscored);
    jw_end(&w);
    buf_char(out, '\n');
}

static void print_text(const struct score_totals *t, struct buf *out)
{
    buf_printf(out,
               "%" PRId64 " scored (%" PRId64 " unparsable, %" PRId64
               " refused), %" PRId64 " were up to date\n",
               t->scored, t->unparsable, t->refused, t->current);
    buf_printf(out,
               "%" PRId64 " changed: %" PRId64 " to correct, %" PRId64
               " from correct\n",
               t->changed, t->to_correct, t->to_wrong);
}

static enum err_code score(struct options *o, struct score_totals *t,
                           struct err *e)
{
    struct store *s = NULL;
    /* One that is not there is not made: opened for reading it is missed. */
    enum err_code rc = store_open(&s, o->db, !io_exists(o->db), e);

    o->shown_ns = io_now_ns();
    if (!rc)
        rc = score_all(s, o->all, on_progress, o, t, e);
    if (o->shown && cli_stderr_is_terminal())
        fputs("\r\033[K", stderr);
    store_close(s);
    return rc;
}

static int run(int argc, char **argv)
{
    struct options o = { .db = DEFAULT_DB };
    struct score_totals t;
    struct buf out;
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    if (score(&o, &t, &e))
        return cli_fail(&e);
    buf_init(&out, 4096);
    if (o.json)
        print_json(&t, &out);
    else
        print_text(&t, &out);
    rc = cli_print(&out, &e) ? cli_fail(&e) : 0;
    buf_free(&out);
    if (!rc && t.unscored) {
        err_set(&e, ERR_NOENV, "%" PRId64 " answers stay without a score: %s",
                t.unscored, t.lacks.msg);
        rc = cli_fail(&e);
    }
    return rc;
}

const struct cmd cmd_score = {
    .name = "score",
    .doc = "scores stored responses with today's matchers",
    .run = run,
};
