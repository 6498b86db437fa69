/* inspect_ai: logs as it writes them (.eval) and in JSON (.json).
 *
 * A .eval file is a zip archive: header.json says what was asked of whom, a
 * run that has not ended has only _journal/start.json; each sample is a member
 * samples/ID_epoch_N.json.  A sample that was run again is appended again, so
 * the last one counts.  The order of the JSON form, by epoch and id, is made
 * here too: both forms of a log give the same suite. */
#include "harness/outputs/output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "harness/outputs/zip.h"

#define MAX_FILE ((size_t)1 << 30)
#define MAX_MEMBER ((size_t)256 << 20)

/* A sample of an agent may be some megabytes, a log some thousands of them. */
static const struct zip_limits limits = { 1000000, (size_t)16 << 30 };

struct log {
    const char *model, *suite, *matcher;
    bool all;   /* a list of letters as target: all of them, not any */
    bool ended; /* told by header.json */
};

/* --- a sample ---------------------------------------------------------------- */

static void take_usage(const struct json *sample, struct output *o)
{
    double seconds = json_number(output_member(sample, "output.time"));

    o->prompt_tokens = output_int(sample, "output.usage.input_tokens");
    o->output_tokens = output_int(sample, "output.usage.output_tokens");
    if (seconds >= 0 && seconds < 1e9)
        o->latency_ms = (int64_t)(seconds * 1000);
}

/* Its first scorer's. */
static void take_score(const struct json *sample, struct output *o)
{
    const struct json *first = json_child(json_get(sample, "scores"));

    o->theirs = output_score(first, "value");
}

static void take_finish(const struct json *choice, struct output *o)
{
    const char *why = json_string(json_get(choice, "stop_reason"));

    if (why &&
        (strcmp(why, "max_tokens") == 0 || strcmp(why, "model_length") == 0))
        o->finish = FINISH_LENGTH;
    else if (why && strcmp(why, "content_filter") == 0)
        o->finish = FINISH_FILTER;
}

/* A sample that failed has an empty completion: no answer. */
static void take_output(const struct json *sample, struct output *o,
                        struct arena *a)
{
    const struct json *choice =
        json_child(output_member(sample, "output.choices"));
    const struct json *part = json_child(output_member(choice, "message."
                                                               "content"));

    o->texts[0] = output_field(sample, "output.completion", a);
    o->error = output_field(sample, "error.message error output.error", a);
    if (o->error && o->texts[0] && !*o->texts[0])
        o->texts[0] = NULL;
    for (; part && !o->reasoning; part = json_next(part))
        o->reasoning = output_field(part, "reasoning", a);
    take_finish(choice, o);
}

/* What was sent before the answer; a log of old has only the input. */
static enum err_code take_sent(const struct json *sample,
                               const struct json *input, struct outputs *out,
                               struct output *o, struct err *e)
{
    enum err_code rc = output_messages(json_get(sample, "messages"), out, o, e);
    size_t n = o->n_messages;

    while (n && strcmp(o->messages[n - 1].role, "assistant") != 0)
        n--;
    if (n)
        o->n_messages = n - 1;
    if (!rc && o->n_messages == 0)
        rc = output_messages(input, out, o, e);
    return rc;
}

static const char *last_user(const struct json *input, struct arena *a)
{
    const char *said = output_text(input, a);

    for (const struct json *m = json_child(input); m; m = json_next(m)) {
        const char *role = json_string(json_get(m, "role"));
        if (role && strcmp(role, "user") == 0)
            said = output_content(m, a);
    }
    return said;
}

static enum err_code take_input(const struct json *sample, struct outputs *out,
                                struct output *o, struct err *e)
{
    const struct json *input = json_get(sample, "input");

    o->questions[0] = last_user(input, out->arena);
    return take_sent(sample, input, out, o, e);
}

/* ["A","B"] -> "AB". */
static enum err_code take_letters(const struct json *target, struct arena *a,
                                  struct output *o, struct err *e)
{
    const char *all = "";

    for (const struct json *t = json_child(target); t; t = json_next(t))
        all = arena_printf(a, "%s%s", all ? all : "", output_text(t, a));
    o->answer = arena_printf(a, "\"%s\"", all ? all : "");
    return a->failed ? err_set(e, ERR_NOMEM, "no memory for an answer")
                     : ERR_OK;
}

static bool is_letters(const struct json *target, const struct output *o)
{
    for (const struct json *t = json_child(target); t; t = json_next(t)) {
        const char *s = json_string(t);
        size_t i = 0;
        while (i < o->n_choices && s && strcmp(o->choices[i].key, s) != 0)
            i++;
        if (i == o->n_choices || !s)
            return false;
    }
    return json_len(target) > 1;
}

static enum err_code take_target(const struct json *sample,
                                 const struct log *log, struct outputs *out,
                                 struct output *o, struct err *e)
{
    const struct json *target = output_member(sample, "target");

    if (log->all && target && is_letters(target, o))
        return take_letters(target, out->arena, o, e);
    return output_answer(target, out, o, e);
}

static enum err_code take(const struct json *sample, const struct log *log,
                          struct outputs *out, struct err *e)
{
    struct arena *a = out->arena;
    struct output *o = output_new(out, e);
    int64_t epoch = output_int(sample, "epoch");
    enum err_code rc;

    if (!o)
        return e->code;
    o->model = log->model;
    o->suite = log->suite;
    o->id = output_field(sample, "id", a);
    o->trial = epoch > 1 ? (size_t)epoch - 1 : 0;
    take_usage(sample, o);
    take_score(sample, o);
    take_output(sample, o, a);
    if ((rc = take_input(sample, out, o, e)) ||
        (rc = output_choices(sample, output_member(sample, "choices"), out, o,
                             e)))
        return rc;
    if (!o->n_choices)
        o->matcher = log->matcher;
    if (o->id && o->questions[0] && (o->texts[0] || o->error))
        return take_target(sample, log, out, o, e);
    return err_set(e, ERR_FORMAT, "sample %s: no input or no output",
                   o->id ? o->id : "without an id");
}

/* --- what the log says of itself ---------------------------------------------- */

/* Where our matcher means what their scorer does. */
static const char *matcher_of(const struct json *scorer)
{
    static const struct {
        const char *theirs, *ours;
    } rows[] = {
        { "includes", "{\"name\":\"contains\"}" },
        { "expression_equivalence", "{\"name\":\"math\"}" },
    };
    const char *name = json_string(json_get(scorer, "name"));

    if (json_bool(output_member(scorer, "options.numeric params.numeric")))
        return "{\"name\":\"number\"}";
    for (size_t i = 0; name && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(name, rows[i].theirs) == 0)
            return rows[i].ours;
    return NULL;
}

static void read_head(const struct json *j, struct log *log, struct arena *a)
{
    const struct json *scorers =
        output_member(j, "eval.scorers results.scores");
    const char *name;

    log->model = output_field(j, "eval.model", a);
    log->suite = output_field(j, "eval.task", a);
    log->matcher = matcher_of(json_child(scorers));
    name = json_string(json_get(json_child(scorers), "name"));
    log->all = name && strcmp(name, "choice") == 0;
}

/* --- in JSON ------------------------------------------------------------------ */

static enum err_code on_log(const struct json *j, struct outputs *out,
                            struct err *e)
{
    const struct json *samples = json_get(j, "samples");
    struct log log = { .model = NULL };
    enum err_code rc = ERR_OK;

    read_head(j, &log, out->arena);
    if (!log.suite)
        return err_set(e, ERR_FORMAT,
                       "no \"eval\" with a \"task\": expected a log of "
                       "inspect_ai, *.eval or *.json");
    if (!samples)
        return err_set(e, ERR_FORMAT,
                       "no \"samples\": the run was told not to log them "
                       "(--no-log-samples)");
    for (const struct json *s = json_child(samples); s && !rc; s = json_next(s))
        rc = take(s, &log, out, e);
    return rc;
}

/* --- in an archive ------------------------------------------------------------ */

struct visit {
    struct outputs *out;
    struct log *log;
    struct buf text; /* of the member at work */
};

typedef enum err_code visit_fn(struct visit *v, const char *name,
                               const struct json *j, struct err *e);

static enum err_code visit_member(struct visit *v, struct zip *z,
                                  const char *name, visit_fn *fn, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc;

    buf_clear(&v->text);
    rc = zip_read(z, &v->text, e);
    if (rc)
        return rc;
    rc = output_parse(&j, buf_view(&v->text), e);
    if (!rc)
        rc = fn(v, name, j, e);
    json_free(j);
    return rc ? err_wrap(e, "%s", name) : ERR_OK;
}

/* Calls fn for each member that is wanted. */
static enum err_code visit_all(struct visit *v, struct str bytes,
                               bool (*wanted)(struct str name), visit_fn *fn,
                               struct err *e)
{
    const char *name = "";
    struct zip *z = NULL;
    enum err_code rc = zip_open(&z, bytes, &limits, e);

    while (!rc && name) {
        rc = zip_next(z, &name, e);
        if (!rc && name && wanted(str_of(name)))
            rc = visit_member(v, z, name, fn, e);
    }
    zip_close(z);
    return rc;
}

static bool is_header(struct str name)
{
    return str_eq(name, STR("header.json"));
}

static bool is_head(struct str name)
{
    return is_header(name) || str_eq(name, STR("_journal/start.json"));
}

static bool is_sample(struct str name)
{
    return str_starts(name, STR("samples/")) && str_ends(name, STR(".json"));
}

/* header.json, the last one, before what the start said. */
static enum err_code on_head(struct visit *v, const char *name,
                             const struct json *j, struct err *e)
{
    bool header = is_header(str_of(name));

    (void)e;
    if (v->log->ended && !header)
        return ERR_OK;
    v->log->ended = header;
    read_head(j, v->log, v->out->arena);
    return ERR_OK;
}

static enum err_code on_sample(struct visit *v, const char *name,
                               const struct json *j, struct err *e)
{
    (void)name;
    return take(j, v->log, v->out, e);
}

/* Numbers come by their value, before names. */
static int by_id(const char *x, const char *y)
{
    size_t a = strspn(x, "0123456789"), b = strspn(y, "0123456789");

    if (a && b && !x[a] && !y[b] && a != b)
        return a < b ? -1 : 1;
    return strcmp(x, y);
}

static int by_sample(const struct output *x, const struct output *y)
{
    if (x->trial != y->trial)
        return x->trial < y->trial ? -1 : 1;
    return by_id(x->id, y->id);
}

static int by_sample_and_place(const void *a, const void *b)
{
    const struct output *x = *(const struct output *const *)a;
    const struct output *y = *(const struct output *const *)b;
    int c = by_sample(x, y);

    return c ? c : (x > y) - (x < y);
}

/* Sorts the outputs from `first` on; of one sample the last stays. */
static enum err_code settle(struct outputs *out, size_t first, struct err *e)
{
    size_t n = out->n - first, kept = 0;
    const struct output **order =
        mem_array(n + 1, sizeof(const struct output *));
    struct output *sorted = mem_array(n + 1, sizeof *sorted);

    for (size_t i = 0; i < n && order; i++)
        order[i] = &out->list[first + i];
    if (order && sorted) {
        qsort(order, n, sizeof(const struct output *), by_sample_and_place);
        for (size_t i = 0; i < n; i++)
            if (i + 1 == n || by_sample(order[i], order[i + 1]) != 0)
                sorted[kept++] = *order[i];
        memcpy(out->list + first, sorted, kept * sizeof *sorted);
        out->n = first + kept;
    }
    mem_free(order);
    mem_free(sorted);
    return order && sorted ? ERR_OK
                           : err_set(e, ERR_NOMEM, "no memory for answers");
}

static enum err_code read_archive(struct str bytes, struct outputs *out,
                                  struct err *e)
{
    struct log log = { .model = NULL };
    struct visit v = { .out = out, .log = &log };
    size_t first = out->n;
    enum err_code rc;

    buf_init(&v.text, MAX_MEMBER);
    rc = visit_all(&v, bytes, is_head, on_head, e);
    if (!rc && !log.suite)
        rc = err_set(e, ERR_FORMAT,
                     "no header.json or _journal/start.json in the archive: "
                     "expected a log of inspect_ai");
    if (!rc)
        rc = visit_all(&v, bytes, is_sample, on_sample, e);
    buf_free(&v.text);
    if (!rc && v.out->n == first)
        rc = err_set(e, ERR_FORMAT,
                     "no samples in the archive: the run was told not to log "
                     "them (--no-log-samples), or ended before the first");
    return rc ? rc : settle(out, first, e);
}

/* What lies beside the logs (eval-set.json) is none. */
static enum err_code read_json(struct str text, struct outputs *out,
                               struct err *e)
{
    struct json *j = NULL;
    enum err_code rc = output_parse(&j, text, e);

    if (!rc && (!out->searching || output_member(j, "eval.task")))
        rc = on_log(j, out, e);
    json_free(j);
    return rc;
}

/* A whole file in memory: one that is still being written may be cut under a
 * map. */
static enum err_code read_one(struct outputs *out, struct err *e)
{
    struct buf file;
    struct str bytes;
    enum err_code rc;

    buf_init(&file, MAX_FILE);
    rc = io_read(out->file, &file, e);
    bytes = buf_view(&file);
    if (!rc && (zip_is(bytes) || str_ends(str_of(out->file), STR(".eval"))))
        rc = read_archive(bytes, out, e);
    else if (!rc)
        rc = read_json(bytes, out, e);
    buf_free(&file);
    return rc;
}

static enum err_code read_inspect(const char *path, struct outputs *out,
                                  struct err *e)
{
    size_t before = out->n;
    enum err_code rc = output_files(path, "", ".eval .json", out, read_one, e);

    if (!rc && out->n == before)
        rc = err_set(e, ERR_FORMAT, "%s: no log of inspect_ai with samples",
                     path);
    return rc;
}

const struct output_format output_inspect = {
    .name = "inspect",
    .doc = "inspect_ai: logs, *.eval or *.json",
    .read = read_inspect,
};
