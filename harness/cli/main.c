/* mokao VERB: finds the verb and runs it.  Nothing is opened or initialised
 * here, so that --help and --version cost only the loading of the program. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "harness/cli/cmd.h"

#define COMMAND_ROW(name) &cmd_##name,
const struct cmd *const commands[] = { COMMANDS(COMMAND_ROW) NULL };
#undef COMMAND_ROW

static int print_help(void)
{
    struct buf b;
    struct err e;
    enum err_code rc;

    buf_init(&b, 1 << 16);
    cli_help(&b);
    rc = buf_check(&b, "help", &e);
    if (!rc)
        rc = cli_print(&b, &e);
    buf_free(&b);
    return rc ? cli_fail(&e) : 0;
}

static int usage_error(void)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    cli_help(&b);
    fputs(b.p, stderr);
    buf_free(&b);
    return err_status(ERR_USAGE);
}

/* argp takes the name for its messages from argv[0]: "mokao run". */
static int run_verb(const struct cmd *c, int argc, char **argv)
{
    char name[64];

    snprintf(name, sizeof name, "mokao %s", c->name);
    argv[0] = name;
    return c->run(argc, argv);
}

int main(int argc, char **argv)
{
    const struct cmd *c;
    struct err e;

    /* A reader that went away is an error of the write, not our death. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        return usage_error();
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
        return print_help();
    if (!strcmp(argv[1], "--version")) {
        puts("mokao " MK_VERSION);
        return fflush(stdout) ? err_status(ERR_IO) : 0;
    }
    if (cmd_find(argv[1], &c, &e))
        return cli_fail(&e);
    return run_verb(c, argc - 1, argv + 1);
}
