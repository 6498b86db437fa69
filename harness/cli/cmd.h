/* The table of verbs.  Adding one is a file cmd_NAME.c and a row
 * below. */
#ifndef MK_CMD_H
#define MK_CMD_H

#include <argp.h>
#include <signal.h>
#include <stdbool.h>

#include <stdint.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"

struct cmd {
    const char *name, *doc; /* one line for mokao --help */
    /* argv[0] is "mokao VERB".  Returns the exit status. */
    int (*run)(int argc, char **argv);
};
/* One row a line, sorted. */
/* clang-format off */
#define COMMANDS(X) \
    X(bench) \
    X(export) \
    X(generate) \
    X(help) \
    X(import) \
    X(judge) \
    X(merge) \
    X(model) \
    X(perplexity) \
    X(quantize) \
    X(report) \
    X(run) \
    X(score) \
    X(serve) \
    X(suite) \
    X(tokenize)
/* clang-format on */
#define COMMAND_DECL(name) extern const struct cmd cmd_##name;
COMMANDS(COMMAND_DECL)
#undef COMMAND_DECL
extern const struct cmd *const commands[]; /* NULL at the end */

/* Shared by the verbs (cli.c). */

/* The verb of that name.  ERR_USAGE with the nearest name if there is none. */
enum err_code cmd_find(const char *name, const struct cmd **out,
                       struct err *e) MUST_CHECK;
/* Appends the text of mokao --help. */
void cli_help(struct buf *out);

/* Parses with argp in the project's manner: adds the row -h, --help (a verb's
 * table has none of its own), exit status 2 on wrong usage, never exits.
 * Returns 0, or the exit status plus 1 when the verb is to end (help printed,
 * usage wrong):   rc = cli_parse(&argp, argc, argv, &o); if (rc) return rc - 1;
 * The parser says what is wrong by `argp_error(state, ...); return EINVAL;`. */
int cli_parse(const struct argp *argp, int argc, char **argv, void *input);
/* Arguments of options as numbers; what is no number or out of range is told
 * through argp_error() with the option's name.  0 or EINVAL. */
error_t cli_arg_int(struct argp_state *st, const char *option, const char *arg,
                    int64_t min, int64_t max, int64_t *out);
error_t cli_arg_num(struct argp_state *st, const char *option, const char *arg,
                    double min, double max, double *out);
/* Sets *out to the place of arg among the words (NULL at their end). */
error_t cli_arg_word(struct argp_state *st, const char *option, const char *arg,
                     const char *const *words, int *out);
/* What a help_filter of argp returns: behind the options what list() writes,
 * all else as it was. */
char *cli_help_list(int key, const char *text, void (*list)(struct buf *out));
/* Strings of an option that may be repeated; v is freed by cli_list_free(). */
struct cli_list {
    const char **v;
    size_t n, cap;
};
error_t cli_list_add(struct cli_list *l, const char *arg); /* 0 or ENOMEM */
/* The parts between commas; arg is written into and must outlive l. */
error_t cli_list_split(struct cli_list *l, char *arg);
void cli_list_free(struct cli_list *l);

/* Prints "mokao: message" and gives the exit status of e->code. */
int cli_fail(const struct err *e);
/* Writes all of b to stdout; a closed pipe or full disk is an error. */
enum err_code cli_print(const struct buf *b, struct err *e) MUST_CHECK;
/* Counts SIGINT and SIGTERM: the first asks to finish what is under way, the
 * second to stop at once. */
const volatile sig_atomic_t *cli_catch_signals(void);
bool cli_stderr_is_terminal(void);
bool cli_stdout_is_terminal(void);

/* A line on stderr that tells how far a call is: drawn over on a terminal, ten
 * times a second at the most, else written anew, once a second. */
struct cli_progress {
    int64_t shown_ns;
    bool terminal, open; /* open: a line stands there to be drawn over */
};
void cli_progress_begin(struct cli_progress *p);
/* Whether it is time for a line; now: in any case. */
bool cli_progress_due(struct cli_progress *p, bool now);
/* The last line is not drawn over. */
void cli_progress_show(struct cli_progress *p, bool last, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Takes a line away that would be drawn over. */
void cli_progress_end(struct cli_progress *p);

/* "1.2 GB", "3 min 05 s" for people. */
void cli_human_bytes(double bytes, char *out, size_t n);
void cli_human_time(int64_t ms, char *out, size_t n);
#define DEFAULT_DB "results/mokao.db"

#endif
