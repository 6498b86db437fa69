/* inspect_ai: a log in its JSON form (--log-format json).  The usual .eval file
 * is a zip with Zstandard members: `inspect log convert --to json` makes the
 * other. */
#include "harness/outputs/output.h"

#include <math.h>
#include <string.h>

struct log {
    const char *model, *suite;
};

static void take_usage(const struct json *sample, struct output *o)
{
    double seconds = json_number(output_member(sample, "output.time"));

    o->prompt_tokens = output_int(sample, "output.usage.input_tokens");
    o->output_tokens = output_int(sample, "output.usage.output_tokens");
    if (seconds >= 0)
        o->latency_ms = (int64_t)(seconds * 1000);
}

/* Its first scorer's. */
static void take_score(const struct json *sample, struct output *o)
{
    const struct json *first = json_child(json_get(sample, "scores"));

    o->theirs = output_score(first, "value");
}

static void take_finish(const struct json *sample, struct output *o)
{
    const struct json *list = output_member(sample, "output.choices");
    const char *why = json_string(json_get(json_child(list), "stop_reason"));

    if (why && strcmp(why, "max_tokens") == 0)
        o->finish = FINISH_LENGTH;
    else if (why && strcmp(why, "content_filter") == 0)
        o->finish = FINISH_FILTER;
}

static enum err_code take_input(const struct json *sample, struct outputs *out,
                                struct output *o, struct err *e)
{
    const struct json *input = json_get(sample, "input");
    enum err_code rc = output_messages(input, out, o, e);

    o->questions[0] = output_text(input, out->arena);
    for (size_t i = 0; i < o->n_messages; i++)
        if (strcmp(o->messages[i].role, "user") == 0)
            o->questions[0] = o->messages[i].content;
    return rc;
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
    o->texts[0] = output_field(sample, "output.completion", a);
    o->error = output_field(sample, "error.message error output.error", a);
    take_usage(sample, o);
    take_score(sample, o);
    take_finish(sample, o);
    if ((rc = take_input(sample, out, o, e)) ||
        (rc = output_choices(sample, output_member(sample, "choices"), out, o,
                             e)))
        return rc;
    if (o->id && o->questions[0] && (o->texts[0] || o->error))
        return output_answer(output_member(sample, "target"), out, o, e);
    return err_set(e, ERR_FORMAT, "sample %s: no input or no output",
                   o->id ? o->id : "without an id");
}

static enum err_code on_file(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    const struct json *samples = json_get(j, "samples");
    struct log log = {
        .model = output_field(j, "eval.model", out->arena),
        .suite = output_field(j, "eval.task", out->arena),
    };
    enum err_code rc = ERR_OK;

    (void)line;
    if (!samples || !log.suite)
        return err_set(e, ERR_FORMAT,
                       "no \"eval\" and \"samples\": expected a log written "
                       "with --log-format json");
    for (const struct json *s = json_child(samples); s && !rc; s = json_next(s))
        rc = take(s, &log, out, e);
    return rc;
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    return output_whole(out, on_file, e);
}

static enum err_code read_inspect(const char *path, struct outputs *out,
                                  struct err *e)
{
    return output_files(path, "", ".json", out, read_one, e);
}

const struct output_format output_inspect = {
    .name = "inspect",
    .doc = "inspect_ai: logs in JSON (inspect log convert --to json)",
    .read = read_inspect,
};
