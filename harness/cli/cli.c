/* What the verbs share: argp in the project's manner, errors to exit status,
 * writing to stdout, signals, sizes and times for people. */
#include "harness/cli/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"
#include "harness/base/text.h"

/* --- verbs ---------------------------------------------------------------- */

static const struct cmd *nearest_verb(const char *name, size_t *distance)
{
    const struct cmd *best = commands[0];

    *distance = SIZE_MAX;
    for (size_t i = 0; commands[i]; i++) {
        size_t d = text_distance(str_of(name), str_of(commands[i]->name));
        if (d < *distance) {
            *distance = d;
            best = commands[i];
        }
    }
    return best;
}

enum err_code cmd_find(const char *name, const struct cmd **out, struct err *e)
{
    size_t distance;

    for (size_t i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name)) {
            *out = commands[i];
            return ERR_OK;
        }
    if (!text_check(str_of(name), NULL))
        return err_set(e, ERR_USAGE, "the verb is no UTF-8: see mokao --help");
    *out = nearest_verb(name, &distance);
    if (distance > 3)
        return err_set(e, ERR_USAGE, "no verb \"%s\": see mokao --help", name);
    return err_set(e, ERR_USAGE,
                   "no verb \"%s\": did you mean \"%s\"? See mokao --help",
                   name, (*out)->name);
}

void cli_help(struct buf *out)
{
    buf_str(out, "Usage: mokao VERB [OPTION...]\n"
                 "Benchmarks and evaluates Chinese large language models: "
                 "local GGUF files, APIs,\nrecorded answers.\n\n");
    for (size_t i = 0; commands[i]; i++)
        buf_printf(out, "  %-10s %s\n", commands[i]->name, commands[i]->doc);
    buf_str(out, "\n  -h, --help     this list; mokao VERB --help tells the "
                 "verb's options\n"
                 "      --version  print the version\n\n"
                 "Exit status: 0 done, 1 negative verdict, 2 wrong input, "
                 "3 done in part,\n4 the environment lacks something, "
                 "5 verdict open, 130 interrupted.\n");
}

/* --- options -------------------------------------------------------------- */

/* The parser around the verb's own: it adds -h and hands the input down. */
struct outer {
    void *input;
    bool helped;
};

enum { OPT_USAGE = 0x7f00 };

/* --usage is named by argp's own messages. */
static const struct argp_option help_row[] = {
    { "help", 'h', NULL, 0, "print this help and exit", -1 },
    { "usage", OPT_USAGE, NULL, OPTION_HIDDEN, NULL, -1 },
    { 0 },
};

static error_t parse_outer(int key, char *arg, struct argp_state *st)
{
    struct outer *o = st->input;

    (void)arg;
    if (key == ARGP_KEY_INIT) {
        st->child_inputs[0] = o->input;
        return 0;
    }
    if (key == OPT_USAGE)
        argp_state_help(st, stdout, ARGP_HELP_USAGE);
    else if (key == 'h')
        argp_state_help(st, stdout,
                        ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC);
    else
        return ARGP_ERR_UNKNOWN;
    o->helped = true;
    return ECANCELED; /* ends the parsing; nothing after -h counts */
}

int cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    struct outer o = { .input = input };
    const struct argp_child children[] = { { .argp = argp }, { 0 } };
    const struct argp outer = {
        .options = help_row,
        .parser = parse_outer,
        .children = children,
    };
    error_t rc;

    argp_err_exit_status = err_status(ERR_USAGE);
    rc = argp_parse(&outer, argc, argv, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, &o);
    if (o.helped)
        return 1 + (fflush(stdout) ? err_status(ERR_IO) : 0);
    if (rc == ENOMEM)
        return 1 + err_status(ERR_NOMEM);
    return rc ? 1 + err_status(ERR_USAGE) : 0;
}

error_t cli_arg_int(struct argp_state *st, const char *option, const char *arg,
                    int64_t min, int64_t max, int64_t *out)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(arg, &end, 10);
    if (end == arg || *end || errno || v < min || v > max) {
        argp_error(st,
                   "%s: expected a whole number from %lld to %lld, got \"%s\"",
                   option, (long long)min, (long long)max, arg);
        return EINVAL;
    }
    *out = v;
    return 0;
}

error_t cli_arg_num(struct argp_state *st, const char *option, const char *arg,
                    double min, double max, double *out)
{
    char *end;
    double v;

    errno = 0;
    v = strtod(arg, &end);
    if (end == arg || *end || errno || !(v >= min && v <= max)) {
        argp_error(st, "%s: expected a number from %g to %g, got \"%s\"",
                   option, min, max, arg);
        return EINVAL;
    }
    *out = v;
    return 0;
}

char *cli_help_list(int key, const char *text, void (*list)(struct buf *out))
{
    struct buf b;
    char *out;

    if (key != ARGP_KEY_HELP_POST_DOC) {
        memcpy(&out, &text, sizeof out); /* argp wants it back, not const */
        return out;
    }
    buf_init(&b, 1 << 16);
    list(&b);
    out = mem_strdup(b.p); /* argp frees it */
    buf_free(&b);
    return out;
}

/* "a, b or c" */
static void list_words(const char *const *words, struct buf *out)
{
    for (size_t i = 0; words[i]; i++)
        buf_printf(out, "%s%s",
                   !i             ? ""
                   : words[i + 1] ? ", "
                                  : " or ",
                   words[i]);
}

error_t cli_arg_word(struct argp_state *st, const char *option, const char *arg,
                     const char *const *words, int *out)
{
    struct buf all;

    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], arg) == 0) {
            *out = i;
            return 0;
        }
    buf_init(&all, 1024);
    list_words(words, &all);
    argp_error(st, "%s: expected %s, got \"%s\"", option, all.p, arg);
    buf_free(&all);
    return EINVAL;
}

error_t cli_list_add(struct cli_list *l, const char *arg)
{
    if (!mem_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v))
        return ENOMEM;
    l->v[l->n++] = arg;
    return 0;
}

error_t cli_list_split(struct cli_list *l, char *arg)
{
    char *comma;
    error_t rc;

    while ((comma = strchr(arg, ','))) {
        *comma = '\0';
        rc = *arg ? cli_list_add(l, arg) : 0;
        if (rc)
            return rc;
        arg = comma + 1;
    }
    return *arg ? cli_list_add(l, arg) : 0;
}

void cli_list_free(struct cli_list *l)
{
    mem_free(l->v);
    *l = (struct cli_list){ 0 };
}

/* --- output --------------------------------------------------------------- */

int cli_fail(const struct err *e)
{
    fflush(stdout);
    fprintf(stderr, "mokao: %s\n", e->msg);
    return err_status(e->code);
}

enum err_code cli_print(const struct buf *b, struct err *e)
{
    errno = 0;
    if (fwrite(b->p, 1, b->n, stdout) < b->n || fflush(stdout))
        return err_errno(e, errno ? errno : EIO, "standard output");
    return ERR_OK;
}

/* --- signals -------------------------------------------------------------- */

static volatile sig_atomic_t interrupts;

static void count_interrupt(int sig)
{
    (void)sig;
    if (interrupts < 2)
        interrupts++;
}

const volatile sig_atomic_t *cli_catch_signals(void)
{
    struct sigaction sa = { .sa_handler = count_interrupt };

    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    return &interrupts;
}

bool cli_stderr_is_terminal(void)
{
    return isatty(STDERR_FILENO);
}

bool cli_stdout_is_terminal(void)
{
    return isatty(STDOUT_FILENO);
}

/* --- progress ------------------------------------------------------------- */

void cli_progress_begin(struct cli_progress *p)
{
    *p = (struct cli_progress){ .shown_ns = io_now_ns(),
                                .terminal = cli_stderr_is_terminal() };
}

bool cli_progress_due(struct cli_progress *p, bool now)
{
    int64_t ns = io_now_ns();

    if (!now && ns - p->shown_ns < (p->terminal ? 100000000 : 1000000000))
        return false;
    p->shown_ns = ns;
    return true;
}

void cli_progress_show(struct cli_progress *p, bool last, const char *fmt, ...)
{
    va_list ap;

    p->open = p->terminal && !last;
    if (p->terminal)
        fputc('\r', stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    if (p->terminal)
        fputs("\033[K", stderr);
    if (!p->open)
        fputc('\n', stderr);
}

void cli_progress_end(struct cli_progress *p)
{
    if (p->open)
        fputs("\r\033[K", stderr);
    p->open = false;
}

/* --- for people ----------------------------------------------------------- */

void cli_human_bytes(double bytes, char *out, size_t n)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    size_t u = 0;

    while (bytes >= 999.95 && u + 1 < sizeof units / sizeof *units) {
        bytes /= 1000;
        u++;
    }
    snprintf(out, n, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

void cli_human_time(int64_t ms, char *out, size_t n)
{
    int64_t s = ms / 1000;

    if (ms < 1000)
        snprintf(out, n, "%d ms", (int)ms);
    else if (s < 60)
        snprintf(out, n, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        snprintf(out, n, "%d min %02d s", (int)(s / 60), (int)(s % 60));
    else
        snprintf(out, n, "%lld h %02d min", (long long)(s / 3600),
                 (int)(s / 60 % 60));
}
