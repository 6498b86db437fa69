/* mokao quantize: a GGUF file in another tensor type. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"

enum { OPT_REQUANTIZE = 0x100, OPT_FORCE, OPT_TENSORS, OPT_JSON };

struct options {
    const char *in, *out, *type;
    const struct report_format *format;
    bool requantize, force, tensors;
    int64_t threads;
};

static const struct argp_option rows[] = {
    { "requantize", OPT_REQUANTIZE, NULL, 0,
      "also tensors that are quantised already, at a loss", 0 },
    { "force", OPT_FORCE, NULL, 0, "replace OUT if it is there", 0 },
    { "threads", 't', "N", 0, "threads (all cores)", 0 },
    { "tensors", OPT_TENSORS, NULL, 0, "list every tensor by itself", 1 },
    { "format", 'f', "FORMAT", 0, "table, md, csv, json or html", 1 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 1 },
    { 0 },
};

static error_t parse_arg(struct argp_state *st, struct options *o,
                         const char *arg)
{
    const char **at[] = { &o->in, &o->out, &o->type };

    if (st->arg_num < 3) {
        *at[st->arg_num] = arg;
        return 0;
    }
    argp_error(st, "\"%s\" is one argument too many", arg);
    return EINVAL;
}

static error_t parse_end(struct argp_state *st, const struct options *o)
{
    if (o->type)
        return 0;
    argp_error(st, "%s is missing", !o->in ? "IN" : !o->out ? "OUT" : "TYPE");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case OPT_REQUANTIZE:
        o->requantize = true;
        return 0;
    case OPT_FORCE:
        o->force = true;
        return 0;
    case OPT_TENSORS:
        o->tensors = true;
        return 0;
    case 't':
        return cli_arg_int(st, "--threads", arg, 1, 256, &o->threads);
    case 'f':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = cli_format("json");
        return 0;
    case ARGP_KEY_ARG:
        return parse_arg(st, o, arg);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "IN OUT TYPE",
    .doc =
        "Writes the GGUF file IN to OUT with its weights in TYPE: F32, F16, "
        "BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, "
        "IQ4_NL or IQ4_XS.\v"
        "Norms, biases and other small tensors become F32, the output matrix "
        "(the embedding where there is none) has Q6_K at the least.  Rows that "
        "are no multiple of 256 take Q4_0 for Q2_K, IQ4_NL for Q3_K and "
        "IQ4_XS, Q5_0 for Q4_K, Q5_1 for Q5_K, Q8_0 for Q6_K.",
};

/* --- what was written ----------------------------------------------------- */

/* Tensors of one kind, or one of them. */
struct line {
    const char *name, *from, *to, *why;
    int64_t n;
    uint64_t bytes_from, bytes_to;
};

struct session {
    const struct options *o;
    struct line *lines;
    size_t n, cap;
    uint64_t bytes_from, bytes_to;
    size_t losses; /* tensors that were quantised already */
    const volatile sig_atomic_t *signals;
    int64_t started_ns;
    struct cli_progress shown;
    struct arena arena;
};

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static struct line *line_for(struct session *s, const struct mk_quantized *t)
{
    for (size_t i = 0; i < s->n && !s->o->tensors; i++) {
        struct line *l = &s->lines[i];
        if (same_text(l->from, t->from) && same_text(l->to, t->to) &&
            same_text(l->why, t->why))
            return l;
    }
    if (!mem_grow(&s->lines, &s->cap, s->n + 1, sizeof *s->lines)) {
        s->arena.failed = true;
        return NULL;
    }
    s->lines[s->n] = (struct line){ .name = arena_strdup(&s->arena, t->name),
                                    .from = t->from,
                                    .to = t->to,
                                    .why = t->why };
    return &s->lines[s->n++];
}

static bool is_float(const char *type)
{
    return !strcmp(type, "F32") || !strcmp(type, "F16") ||
           !strcmp(type, "BF16");
}

static void show_progress(struct session *s, const struct mk_quantized *t)
{
    bool last = t->i + 1 == t->n;

    if (cli_progress_due(&s->shown, last && s->shown.terminal))
        cli_progress_show(&s->shown, last, "%zu/%zu %s %s -> %s", t->i + 1,
                          t->n, t->name, t->from, t->to);
}

static bool on_tensor(void *user, const struct mk_quantized *t)
{
    struct session *s = user;
    struct line *l = line_for(s, t);

    if (l) {
        l->n++;
        l->bytes_from += t->bytes_from;
        l->bytes_to += t->bytes_to;
    }
    s->bytes_from += t->bytes_from;
    s->bytes_to += t->bytes_to;
    s->losses += !is_float(t->from) && strcmp(t->from, t->to) != 0;
    show_progress(s, t);
    return !s->arena.failed && !*s->signals;
}

/* --- the table ------------------------------------------------------------ */

static const struct column columns[] = {
    { "name", "name", false, COLUMN_ALL },
    { "from", "from", false, COLUMN_ALL },
    { "to", "to", false, COLUMN_ALL },
    { "tensors", "tensors", true, COLUMN_ALL },
    { "bytes_from", "bytes from", true, COLUMN_ALL },
    { "bytes_to", "bytes to", true, COLUMN_ALL },
    { "why", "not the type asked for, because", false, COLUMN_ALL },
};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static enum err_code print(struct session *s, struct err *e)
{
    char before[32], after[32], time[32];
    struct table t;
    size_t skip = s->o->tensors ? 0 : 1; /* no names for kinds */
    enum err_code rc = table_init(&t, &s->arena, s->o->out, columns + skip,
                                  N_COLUMNS - skip, s->n, e);

    for (size_t i = 0; !rc && i < s->n; i++) {
        const struct line *l = &s->lines[i];
        const struct cell cells[N_COLUMNS] = {
            cell_text(l->name),
            cell_text(l->from),
            cell_text(l->to),
            cell_int(l->n),
            cell_int((int64_t)l->bytes_from),
            cell_int((int64_t)l->bytes_to),
            cell_text(l->why),
        };
        for (size_t c = skip; c < N_COLUMNS; c++)
            *table_cell(&t, i, c - skip) = cells[c];
    }
    if (rc)
        return rc;
    cli_human_bytes((double)s->bytes_from, before, sizeof before);
    cli_human_bytes((double)s->bytes_to, after, sizeof after);
    cli_human_time((io_now_ns() - s->started_ns) / 1000000, time, sizeof time);
    table_note(&t, "%s -> %s in %s", before, after, time);
    rc = table_check(&t, e);
    return rc ? rc : cli_print_tables(&t, 1, s->o->format, e);
}

static enum err_code quantize(struct session *s, struct err *e)
{
    const struct mk_quantize_params params = {
        .requantize = s->o->requantize,
        .replace = s->o->force,
        .n_threads = (int)s->o->threads,
        .on_tensor = on_tensor,
        .user = s,
    };
    char msg[MK_ERR_LEN] = "";
    int status = mk_quantize(s->o->in, s->o->out, s->o->type, &params, msg);

    if (s->arena.failed)
        return err_set(e, ERR_NOMEM, "no memory for the list of tensors");
    if (status)
        return cli_engine_error(status, msg, e);
    if (s->losses)
        fprintf(stderr,
                "mokao: warning: %zu tensors were quantised before: the file "
                "is worse than one made from the original floats\n",
                s->losses);
    return print(s, e);
}

static int run(int argc, char **argv)
{
    struct options o = { .format = cli_format("table") };
    struct session s = { .o = &o };
    struct err e;
    int rc = cli_parse(&argp, argc, argv, &o);

    if (rc)
        return rc - 1;
    arena_init(&s.arena, 0);
    s.signals = cli_catch_signals();
    s.started_ns = io_now_ns();
    cli_progress_begin(&s.shown);
    rc = quantize(&s, &e) ? cli_fail(&e) : 0;
    mem_free(s.lines);
    arena_free(&s.arena);
    return rc;
}

const struct cmd cmd_quantize = {
    .name = "quantize",
    .doc = "writes a GGUF file in another tensor type",
    .run = run,
};
