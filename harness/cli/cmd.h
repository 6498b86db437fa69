/* The table of verbs.  Adding one is a file cmd_NAME.c and a row
 * below. */
#ifndef MK_CMD_H
#define MK_CMD_H

#include <argp.h>
#include <signal.h>
#include <stdbool.h>

#include "harness/base/buf.h"
#include "harness/base/err.h"

struct cmd {
    const char *name, *doc; /* one line for mokao --help */
    /* argv[0] is "mokao VERB".  Returns the exit status. */
    int (*run)(int argc, char **argv);
};
/* clang-format off: one row a line, sorted */
#define COMMANDS(X) \
    X(help)
/* clang-format on */
#define COMMAND_DECL(name) extern const struct cmd cmd_##name;
COMMANDS(COMMAND_DECL)
#undef COMMAND_DECL
extern const struct cmd *const commands[]; /* NULL at the end */

/* Shared by the verbs (cli.c). */

/* Parses with argp in the project's manner: -h, --help, exit status 2 on wrong
 * usage.  Returns 0, or the exit status plus 1 when the verb is to end (help
 * printed, usage wrong). */
int cli_parse(const struct argp *argp, int argc, char **argv, void *input);
/* Prints "mokao: message" and gives the exit status of e->code. */
int cli_fail(const struct err *e);
/* Writes all of b to stdout; a closed pipe or full disk is an error. */
enum err_code cli_print(const struct buf *b, struct err *e) MUST_CHECK;
/* Counts SIGINT and SIGTERM: the first asks to finish what is under way, the
 * second to stop at once. */
const volatile sig_atomic_t *cli_catch_signals(void);
bool cli_stderr_is_terminal(void);
/* "1.2 GB", "3 min 05 s" for people. */
void cli_human_bytes(double bytes, char *out, size_t n);
void cli_human_time(int64_t ms, char *out, size_t n);
#define DEFAULT_DB "results/mokao.db"

#endif
