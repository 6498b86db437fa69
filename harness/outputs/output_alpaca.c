/* AlpacaEval: a list of {"instruction","output","generator"}.  There is no
 * expected answer: the outputs are stored and not judged. */
#include "harness/outputs/output.h"

static enum err_code take(const struct json *j, size_t i, struct outputs *out,
                          struct err *e)
{
    struct arena *a = out->arena;
    struct output *o = output_new(out, e);

    if (!o)
        return e->code;
    o->id = arena_printf(a, "%zu", i);
    o->suite = "alpaca-eval";
    o->subset = output_field(j, "dataset", a);
    o->model = output_field(j, "generator", a);
    o->questions[0] = output_field(j, "instruction", a);
    o->texts[0] = output_field(j, "output", a);
    if (o->questions[0] && o->texts[0])
        return ERR_OK;
    return err_set(e, ERR_FORMAT,
                   "entry %zu: expected \"instruction\" and \"output\"", i + 1);
}

static enum err_code on_file(const struct json *j, size_t line,
                             struct outputs *out, struct err *e)
{
    enum err_code rc = ERR_OK;
    size_t i = 0;

    (void)line;
    if (json_type(j) != JSON_ARRAY)
        return err_set(e, ERR_FORMAT, "expected a list of outputs");
    for (const struct json *x = json_child(j); x && !rc; x = json_next(x))
        rc = take(x, i++, out, e);
    return rc;
}

static enum err_code read_one(struct outputs *out, struct err *e)
{
    return output_whole(out, on_file, e);
}

static enum err_code read_alpaca(const char *path, struct outputs *out,
                                 struct err *e)
{
    return output_files(path, "", ".json", out, read_one, e);
}

const struct output_format output_alpaca = {
    .name = "alpaca",
    .doc = "AlpacaEval: model_outputs.json, a list of instruction and output",
    .read = read_alpaca,
};
