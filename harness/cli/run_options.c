/* The options of `mokao run`: one row each. */
#include "harness/cli/run_options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "harness/cli/cli_engine.h"

enum option_key {
    OPT_LIMIT = 0x100,
    OPT_SHOTS,
    OPT_TRIALS,
    OPT_SEED,
    OPT_SHARD,
    OPT_FRESH,
    OPT_DRY_RUN,
    OPT_ASK,
    OPT_TEMPLATE,
    OPT_COMPLETION,
    OPT_TEMPERATURE,
    OPT_TOP_P,
    OPT_TOP_K,
    OPT_MAX_TOKENS,
    OPT_DEVICE,
    OPT_ACTIVATIONS,
    OPT_TPM,
    OPT_STREAM,
    OPT_PROVIDERS
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0,
      "a model: an id of the models file, gguf:PATH, replay:FILE, "
      "PROVIDER:NAME, http://HOST/v1#NAME; repeatable",
      0 },
    { "suite", 's', "SUITE", 0,
      "a suite: an id, a folder, suite/subset, globs; repeatable", 0 },
    { "limit", OPT_LIMIT, "N", 0, "items of each subset at the most", 0 },
    { "shots", OPT_SHOTS, "K", 0, "few-shot examples (0)", 0 },
    { "trials", OPT_TRIALS, "T", 0, "times each item is asked (1)", 0 },
    { "shard", OPT_SHARD, "I/N", 0, "only part I of N, by item", 0 },
    { "fresh", OPT_FRESH, NULL, 0, "ask again what is stored", 0 },
    { "dry-run", OPT_DRY_RUN, NULL, 0,
      "only say what it would take: requests, tokens, money, time", 0 },
    { "ask", OPT_ASK, "HOW", 0,
      "choice questions: score (log-likelihood), generate, auto", 0 },
    { "template", OPT_TEMPLATE, "NAME", 0, "prompt template (the suite's)", 0 },
    { "completion", OPT_COMPLETION, NULL, 0,
      "plain text without the chat template: base models", 0 },
    { "temperature", OPT_TEMPERATURE, "X", 0, "0 is greedy", 0 },
    { "top-p", OPT_TOP_P, "X", 0, "nucleus sampling", 0 },
    { "top-k", OPT_TOP_K, "N", 0, "the N likeliest tokens only", 0 },
    { "max-tokens", OPT_MAX_TOKENS, "N", 0,
      "longest answer (the model's, else 512)", 0 },
    { "seed", OPT_SEED, "S", 0, "of sampling (0)", 0 },
    { "device", OPT_DEVICE, "NAME", 0, "of the engine: auto, cpu, ref", 0 },
    { "activations", OPT_ACTIVATIONS, "TYPE", 0,
      "of the engine: q8 (fast), f32 (exact)", 0 },
    { "tpm", OPT_TPM, "T", 0, "tokens a minute at the most, of each key", 0 },
    { "stream", OPT_STREAM, NULL, 0,
      "have APIs answer piece by piece: measures the first token", 0 },
    { "providers", OPT_PROVIDERS, "FILE", 0,
      "rows of providers that add to the built-in ones", 0 },
    { 0 },
};

/* --- options --------------------------------------------------------------- */

static error_t parse_shard(struct argp_state *st, const char *arg,
                           struct plan_params *p)
{
    char *end = NULL;
    unsigned long i, n;

    errno = 0;
    i = strtoul(arg, &end, 10);
    n = *end == '/' ? strtoul(end + 1, &end, 10) : 0;
    if (errno || *end || i < 1 || n < i || n > 1000000) {
        argp_error(st, "--shard: expected I/N with 1 <= I <= N, got \"%s\"",
                   arg);
        return EINVAL;
    }
    p->shard = i - 1;
    p->n_shards = n;
    return 0;
}

static error_t parse_activations(struct argp_state *st, const char *arg,
                                 bool *f32)
{
    enum mk_activations type;
    error_t rc = cli_arg_activations(st, arg, &type);

    *f32 = type == MK_ACT_F32;
    return rc;
}

static error_t parse_end(struct argp_state *st, const struct run_options *o)
{
    if (!o->models.n || !o->suites.n) {
        argp_error(st, "%s is missing", o->models.n ? "-s SUITE" : "-m MODEL");
        return EINVAL;
    }
    return 0;
}

static error_t parse_remote(int key, char *arg, struct argp_state *st,
                            struct run_options *o)
{
    switch (key) {
    case OPT_TPM:
        return cli_arg_num(st, "tpm", arg, 1, 1e12, &o->asking.runner.tpm);
    case OPT_STREAM:
        o->asking.runner.stream = true;
        return 0;
    case OPT_PROVIDERS: /* models are found by the same table */
        o->asking.runner.providers = arg;
        return setenv("MOKAO_PROVIDERS", arg, 1) ? ENOMEM : 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct run_options *o = st->input;

    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->asking;
        return 0;
    case 'm':
        return cli_list_add(&o->models, arg);
    case 's':
        return cli_list_add(&o->suites, arg);
    case OPT_LIMIT:
        return cli_arg_int(st, "limit", arg, 1, INT32_MAX, &o->limit);
    case OPT_SHOTS:
        return cli_arg_int(st, "shots", arg, 0, 1000, &o->shots);
    case OPT_TRIALS:
        return cli_arg_int(st, "trials", arg, 1, 100000, &o->trials);
    case OPT_SEED:
        return cli_arg_int(st, "seed", arg, 0, INT64_MAX / 2, &o->seed);
    case OPT_SHARD:
        return parse_shard(st, arg, &o->plan);
    case OPT_FRESH:
        o->plan.fresh = true;
        return 0;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 0;
    case OPT_ASK:
        return cli_arg_ask(st, arg, &o->plan.prompt.ask);
    case OPT_TEMPLATE:
        o->plan.prompt.template = arg;
        return 0;
    case OPT_COMPLETION:
        o->plan.prompt.completion = true;
        return 0;
    case OPT_TEMPERATURE:
        return cli_arg_num(st, "temperature", arg, 0, 100, &o->temperature);
    case OPT_TOP_P:
        return cli_arg_num(st, "top-p", arg, 0, 1, &o->top_p);
    case OPT_TOP_K:
        return cli_arg_int(st, "top-k", arg, 0, INT32_MAX, &o->top_k);
    case OPT_MAX_TOKENS:
        return cli_arg_int(st, "max-tokens", arg, 1, INT32_MAX, &o->max_tokens);
    case OPT_DEVICE:
        o->asking.runner.device = arg;
        return 0;
    case OPT_ACTIVATIONS:
        return parse_activations(st, arg, &o->asking.runner.f32);
    case ARGP_KEY_END:
        return parse_end(st, o);
    default:
        return parse_remote(key, arg, st, o);
    }
}

static const struct argp_child children[] = { { .argp = &cli_asking_argp },
                                              { 0 } };
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .children = children,
    .doc = "Asks the models the items of the suites, scores the answers and "
           "stores everything.\vWhat the database already holds for the same "
           "model, item, prompt and parameters is not asked again: a run that "
           "was interrupted goes on with the same command.",
};

int run_options_parse(struct run_options *o, int argc, char **argv)
{
    int rc;

    *o = (struct run_options){
        .temperature = NAN, .top_p = NAN, .top_k = -1, .trials = 1
    };
    cli_asking_init(&o->asking);
    rc = cli_parse(&argp, argc, argv, o);
    o->asking.runner.seed = (uint64_t)o->seed;
    return rc;
}

void run_options_free(struct run_options *o)
{
    cli_list_free(&o->models);
    cli_list_free(&o->suites);
    cli_asking_free(&o->asking);
}
