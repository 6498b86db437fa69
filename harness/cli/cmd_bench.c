/* mokao bench: how fast the engine is on this machine, in tokens a second.
 *
 * A prefill test computes a prompt in one call, a decode test one token after
 * the other from an empty context; both after a call that is not measured.
 * Tokens are random: the time does not depend on them.  The memory bandwidth is
 * measured in the same run with as many threads, by reading a buffer larger
 * than any cache, so that the share of it that decoding reaches means
 * something on a machine that others use too. */
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/cli/cli_engine.h"
#include "harness/cli/cli_table.h"
#include "harness/cli/cmd.h"
#include "harness/stats.h"

enum option_key { OPT_JSON = 0x100 };

enum { MAX_LIST = 16, MAX_REPETITIONS = 100, BUFFER = 1 << 28, READS = 5 };

struct numbers {
    int64_t v[MAX_LIST];
    size_t n;
};

struct options {
    struct cli_engine engine;
    const struct report_format *format;
    struct cli_list models;
    struct numbers prompts, decodes, threads;
    int64_t repetitions;
    struct arena arena;
};

static const struct argp_option rows[] = {
    { "model", 'm', "MODEL", 0,
      "a GGUF file or an id of the models file; repeatable", 0 },
    { "prompt", 'p', "N,N...", 0, "prompt tokens to prefill (512); 0: none",
      0 },
    { "tokens", 'n', "N,N...", 0, "tokens to decode (64); 0: none", 0 },
    { "threads", 't', "N,N...", 0, "threads (all cores)", 0 },
    { "repetitions", 'r', "R", 0, "measurements of each test (5)", 0 },
    { "format", 'o', "FORMAT", 0, "table, md, csv, json or html", 0 },
    { "json", OPT_JSON, NULL, 0, "the same as --format json", 0 },
    { 0 },
};

/* --- options -------------------------------------------------------------- */

static error_t parse_numbers(struct argp_state *st, const char *option,
                             char *arg, int64_t min, struct numbers *out)
{
    struct cli_list l = { 0 };
    error_t rc = cli_list_split(&l, arg);

    out->n = 0;
    if (!rc && (!l.n || l.n > MAX_LIST)) {
        argp_error(st, "%s: expected 1 to %d numbers", option, MAX_LIST);
        rc = EINVAL;
    }
    for (size_t i = 0; !rc && i < l.n; i++)
        rc = cli_arg_int(st, option, l.v[i], min, 1 << 20, &out->v[out->n++]);
    cli_list_free(&l);
    return rc;
}

static error_t parse(int key, char *arg, struct argp_state *st)
{
    struct options *o = st->input;

    switch (key) {
    case ARGP_KEY_INIT:
        st->child_inputs[0] = &o->engine;
        return 0;
    case 'm':
        return cli_list_add(&o->models, arg);
    case 'p':
        return parse_numbers(st, "--prompt", arg, 0, &o->prompts);
    case 'n':
        return parse_numbers(st, "--tokens", arg, 0, &o->decodes);
    case 't':
        return parse_numbers(st, "--threads", arg, 1, &o->threads);
    case 'r':
        return cli_arg_int(st, "--repetitions", arg, 1, MAX_REPETITIONS,
                           &o->repetitions);
    case 'o':
        return cli_arg_format(st, arg, &o->format);
    case OPT_JSON:
        o->format = &format_json;
        return 0;
    case ARGP_KEY_ARG:
        return cli_list_add(&o->models, arg);
    case ARGP_KEY_END:
        if (o->models.n)
            return 0;
        argp_error(st, "-m MODEL is missing");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { .argp = &cli_engine_argp },
                                              { 0 } };
static const struct argp argp = {
    .options = rows,
    .parser = parse,
    .args_doc = "[MODEL...]",
    .doc = "Measures prefill and decode speed of the engine, memory, and the "
           "share of the memory bandwidth that decoding reaches.",
    .children = children,
};

/* --- memory --------------------------------------------------------------- */

typedef uint64_t lanes __attribute__((vector_size(16)));

struct reader {
    const lanes *from;
    size_t n;
    lanes sum;
};

/* Four sums, so that loads do not wait for additions. */
static void *read_all(void *user)
{
    struct reader *r = user;
    lanes s0 = { 0 }, s1 = s0, s2 = s0, s3 = s0;

    for (size_t i = 0; i + 4 <= r->n; i += 4) {
        s0 += r->from[i];
        s1 += r->from[i + 1];
        s2 += r->from[i + 2];
        s3 += r->from[i + 3];
    }
    r->sum = s0 + s1 + s2 + s3;
    return NULL;
}

/* Seconds to read the buffer with n threads; the sum is kept from the
 * optimiser by being stored. */
static double read_once(const lanes *buffer, size_t n, struct reader *r,
                        pthread_t *thread)
{
    size_t len = BUFFER / sizeof *buffer / n, started = 1;
    int64_t start = io_now_ns();

    for (size_t i = 0; i < n; i++)
        r[i] = (struct reader){ .from = buffer + i * len, .n = len };
    while (started < n &&
           !pthread_create(&thread[started], NULL, read_all, &r[started]))
        started++;
    read_all(&r[0]);
    for (size_t i = started; i < n; i++) /* those that could not start */
        read_all(&r[i]);
    for (size_t i = 1; i < started; i++)
        pthread_join(thread[i], NULL);
    return (double)(io_now_ns() - start) / 1e9;
}

/* Bytes a second, the best of some readings; 0 when there is no memory. */
static double bandwidth(size_t n_threads)
{
    lanes *buffer = mem_alloc(BUFFER);
    struct reader *r = mem_array(n_threads, sizeof *r);
    pthread_t *thread = mem_array(n_threads, sizeof *thread);
    double best = 0;

    if (buffer && r && thread) {
        memset(buffer, 1, BUFFER); /* pages exist, and are not all one */
        for (int i = 0; i < READS; i++)
            best = fmax(best, (double)BUFFER /
                                  read_once(buffer, n_threads, r, thread));
    }
    mem_free(thread);
    mem_free(r);
    mem_free(buffer);
    return best;
}

/* Largest resident size since the last reset, from the kernel; 0: unknown. */
static int64_t peak_bytes(void)
{
    struct buf b;
    const char *at;
    int64_t kib = 0;

    buf_init(&b, 1 << 16);
    if (!io_read("/proc/self/status", &b, NULL)) {
        at = strstr(b.p, "VmHWM:");
        kib = at ? strtoll(at + strlen("VmHWM:"), NULL, 10) : 0;
    }
    buf_free(&b);
    return 1024 * kib;
}

/* So that each row has its own peak; without the right to it the peak is that
 * of the run so far. */
static void reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, "5", 1) != 1)
        fprintf(stderr, "peak memory: that of all tests so far\n");
    close(fd);
}

/* --- tests ---------------------------------------------------------------- */

struct test {
    const char *model, *kind; /* "prefill", "decode" */
    int64_t n, threads;
    double speed[MAX_REPETITIONS]; /* tokens a second, sorted */
    size_t n_speeds;
    struct mk_model_info info;
    const char *type;
    int64_t peak;
    double bandwidth;
};

struct bench {
    struct mk_model *m;
    struct mk_ctx *ctx;
    int32_t *tokens;
    float *logits;
};

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int prefill(struct bench *b, size_t n, char *msg)
{
    struct mk_piece p = {
        .tokens = b->tokens, .n = n, .want = MK_WANT_LAST, .logits = b->logits
    };
    int status = mk_seq_new(b->ctx, &p.seq, msg);

    if (!status) {
        status = mk_compute(b->ctx, &p, 1, msg);
        mk_seq_free(b->ctx, p.seq);
    }
    return status;
}

static int decode(struct bench *b, size_t n, char *msg)
{
    struct mk_piece p = { .n = 1, .want = MK_WANT_LAST, .logits = b->logits };
    int status = mk_seq_new(b->ctx, &p.seq, msg);

    if (status)
        return status;
    for (size_t i = 0; !status && i < n; i++) {
        p.tokens = &b->tokens[i];
        status = mk_compute(b->ctx, &p, 1, msg);
    }
    mk_seq_free(b->ctx, p.seq);
    return status;
}

typedef int test_fn(struct bench *b, size_t n, char *msg);

static enum err_code measure(struct bench *b, test_fn *fn, struct test *t,
                             int64_t repetitions, struct err *e)
{
    char msg[MK_ERR_LEN] = "";
    const volatile sig_atomic_t *interrupts = cli_catch_signals();
    int status = fn(b, (size_t)(t->n < 8 ? t->n : 8), msg);

    for (int64_t i = 0; !status && i < repetitions; i++) {
        int64_t start = io_now_ns();
        status = *interrupts ? MK_ECANCELLED : fn(b, (size_t)t->n, msg);
        t->speed[t->n_speeds++] =
            (double)t->n * 1e9 / (double)(io_now_ns() - start);
    }
    qsort(t->speed, t->n_speeds, sizeof *t->speed, by_number);
    t->peak = peak_bytes();
    return cli_engine_error(status, *msg ? msg : "interrupted", e);
}

static enum err_code prepare(struct bench *b, size_t n, int64_t threads,
                             struct err *e)
{
    const struct mk_ctx_params params = { .n_threads = (int)threads,
                                          .n_positions = n };
    size_t n_vocab = (size_t)mk_model_info(b->m)->n_vocab;
    char msg[MK_ERR_LEN] = "";
    uint64_t seed = 42;

    b->tokens = mem_array(n, sizeof *b->tokens);
    b->logits = mem_array(n_vocab, sizeof *b->logits);
    if (!b->tokens || !b->logits)
        return err_set(e, ERR_NOMEM, "no memory for the test");
    for (size_t i = 0; i < n; i++)
        b->tokens[i] = (int32_t)stats_below(&seed, n_vocab);
    return cli_engine_error(mk_ctx_open(&b->ctx, b->m, &params, msg), msg, e);
}

static void finish(struct bench *b)
{
    mk_ctx_close(b->ctx);
    mem_free(b->logits);
    mem_free(b->tokens);
    b->ctx = NULL;
    b->logits = NULL;
    b->tokens = NULL;
}

struct results {
    struct options *o;
    struct test *tests;
    size_t n;
};

static enum err_code run_test(struct results *r, struct bench *b,
                              const struct test *t, test_fn *fn, struct err *e)
{
    struct test *own = &r->tests[r->n];
    enum err_code rc;

    *own = *t;
    reset_peak();
    rc = prepare(b, (size_t)t->n, t->threads, e);
    if (!rc)
        rc = measure(b, fn, own, r->o->repetitions, e);
    finish(b);
    if (!rc)
        r->n++;
    return rc;
}

static enum err_code bench_threads(struct results *r, struct bench *b,
                                   struct test *t, struct err *e)
{
    const struct options *o = r->o;
    enum err_code rc = ERR_OK;

    t->bandwidth = bandwidth((size_t)t->threads);
    t->kind = "prefill";
    for (size_t i = 0; !rc && i < o->prompts.n; i++) {
        t->n = o->prompts.v[i];
        if (t->n)
            rc = run_test(r, b, t, prefill, e);
    }
    t->kind = "decode";
    for (size_t i = 0; !rc && i < o->decodes.n; i++) {
        t->n = o->decodes.v[i];
        if (t->n)
            rc = run_test(r, b, t, decode, e);
    }
    return rc;
}

static enum err_code bench_model(struct results *r, const char *spec,
                                 struct err *e)
{
    struct options *o = r->o;
    struct mk_model_params params = o->engine.params;
    struct bench b = { 0 };
    struct test t = { .model = spec };
    struct model_spec m;
    enum err_code rc =
        cli_engine_find(spec, o->engine.models_file, &o->arena, &m, e);

    for (size_t i = 0; !rc && i < o->threads.n; i++) {
        t.threads = params.n_threads = (int)o->threads.v[i];
        rc = cli_engine_open(&b.m, m.path, &params, e);
        if (rc)
            break;
        t.info = *mk_model_info(b.m);
        t.type = arena_strdup(&o->arena, t.info.file_type);
        rc = bench_threads(r, &b, &t, e);
        mk_model_close(b.m);
        b.m = NULL;
    }
    return rc;
}

/* --- the table ------------------------------------------------------------ */

enum {
    MODEL,
    TYPE,
    SIZE,
    THREADS,
    TEST,
    KIND,
    N,
    MEDIAN,
    MIN,
    MAX,
    GFLOPS,
    READ,
    GBS,
    BANDWIDTH,
    SHARE,
    PEAK,
    PEAK_BYTES,
    N_COLS
};

/* One column a line. */
/* clang-format off */
static const struct column columns[N_COLS] = {
    [MODEL] = { "model", "model", false, COLUMN_ALL },
    [TYPE] = { "type", "type", false, COLUMN_ALL },
    [SIZE] = { "file_bytes", "", true, COLUMN_MACHINE },
    [THREADS] = { "threads", "threads", true, COLUMN_ALL },
    [TEST] = { "test_name", "test", false, COLUMN_PEOPLE },
    [KIND] = { "test", "", false, COLUMN_MACHINE },
    [N] = { "n", "", true, COLUMN_MACHINE },
    [MEDIAN] = { "tokens_s_median", "tok/s median", true, COLUMN_ALL },
    [MIN] = { "tokens_s_min", "min", true, COLUMN_ALL },
    [MAX] = { "tokens_s_max", "max", true, COLUMN_ALL },
    [GFLOPS] = { "gflops", "GFLOP/s", true, COLUMN_ALL },
    [READ] = { "bytes_per_token", "bytes/token", true, COLUMN_ALL },
    [GBS] = { "read_gb_s", "GB/s", true, COLUMN_ALL },
    [BANDWIDTH] = { "memory_gb_s", "memory GB/s", true, COLUMN_ALL },
    [SHARE] = { "share_percent", "share %", true, COLUMN_ALL },
    [PEAK] = { "peak", "peak memory", true, COLUMN_PEOPLE },
    [PEAK_BYTES] = { "peak_bytes", "", true, COLUMN_MACHINE },
};
/* clang-format on */

/* Decoding reads all weights for each token, and of the KV cache on average
 * half of what the test fills. */
static void fill_memory(struct cell *c, const struct test *t, double speed)
{
    double bytes = (double)t->info.decode_bytes +
                   (double)t->info.kv_bytes * (double)t->n / 2;

    c[BANDWIDTH] = cell_num(t->bandwidth > 0 ? t->bandwidth / 1e9 : NAN, 1);
    if (strcmp(t->kind, "decode") != 0)
        return;
    c[READ] = cell_int((int64_t)bytes);
    c[GBS] = cell_num(bytes * speed / 1e9, 2);
    if (t->bandwidth > 0)
        c[SHARE] = cell_num(100 * bytes * speed / t->bandwidth, 1);
}

static void fill(struct cell *c, const struct test *t, struct arena *a)
{
    const double *v = t->speed;
    size_t n = t->n_speeds;
    double median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    char peak[32];

    cli_human_bytes((double)t->peak, peak, sizeof peak);
    c[MODEL] = cell_text(t->model);
    c[TYPE] = cell_text(t->type);
    c[SIZE] = cell_int((int64_t)t->info.file_bytes);
    c[THREADS] = cell_int(t->threads);
    c[TEST] = cell_text(arena_printf(a, "%s %lld", t->kind, (long long)t->n));
    c[KIND] = cell_text(t->kind);
    c[N] = cell_int(t->n);
    c[MEDIAN] = cell_num(median, 2);
    c[MIN] = cell_num(v[0], 2);
    c[MAX] = cell_num(v[n - 1], 2);
    c[GFLOPS] = cell_num(2e-9 * (double)t->info.matmul_params * median, 1);
    c[PEAK] = cell_text(arena_strdup(a, peak));
    c[PEAK_BYTES] = cell_int(t->peak);
    fill_memory(c, t, median);
}

static enum err_code print_results(const struct results *r, struct err *e)
{
    struct options *o = r->o;
    struct table t;
    enum err_code rc =
        table_init(&t, &o->arena, "Engine", columns, N_COLS, r->n, e);

    for (size_t i = 0; !rc && i < r->n; i++)
        fill(table_cell(&t, i, 0), &r->tests[i], &o->arena);
    if (!rc) {
        table_note(&t,
                   "%lld repetitions after a warm-up; memory GB/s: reading "
                   "%d MB with as many threads, in this run",
                   (long long)o->repetitions, BUFFER >> 20);
        table_note(&t, "mokao " MK_VERSION);
        rc = table_check(&t, e);
    }
    return rc ? rc : cli_print_tables(&t, 1, o->format, e);
}

/* --- the verb ------------------------------------------------------------- */

static enum err_code bench(struct options *o, struct err *e)
{
    struct results r = { .o = o };
    size_t n = o->models.n * o->threads.n * (o->prompts.n + o->decodes.n);
    enum err_code rc = ERR_OK;

    r.tests = arena_array(&o->arena, n, sizeof *r.tests);
    if (!r.tests)
        return err_set(e, ERR_NOMEM, "no memory for the results");
    for (size_t i = 0; !rc && i < o->models.n; i++)
        rc = bench_model(&r, o->models.v[i], e);
    return rc ? rc : print_results(&r, e);
}

static int run(int argc, char **argv)
{
    struct options o = { .format = &format_table,
                         .prompts = { { 512 }, 1 },
                         .decodes = { { 64 }, 1 },
                         .repetitions = 5 };
    struct err e;
    int rc;

    o.threads.v[0] = sysconf(_SC_NPROCESSORS_ONLN);
    o.threads.n = 1;
    rc = cli_parse(&argp, argc, argv, &o);
    arena_init(&o.arena, 0);
    if (rc)
        rc--;
    else if (bench(&o, &e))
        rc = cli_fail(&e);
    cli_list_free(&o.models);
    arena_free(&o.arena);
    return rc;
}

const struct cmd cmd_bench = {
    .name = "bench",
    .doc = "speed and memory of the engine on this machine",
    .run = run,
};
