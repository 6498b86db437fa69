/* mokao help [VERB]: the same texts as --help gives. */
#include <stddef.h>
#include <stdio.h>

#include "harness/cli/cmd.h"

static error_t parse(int key, char *arg, struct argp_state *st)
{
    const char **verb = st->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*verb) {
        argp_error(st, "one verb at a time");
        return EINVAL;
    }
    *verb = arg;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "[VERB]",
    .doc = "Prints what VERB does and its options; without one, the verbs.",
};

static int help_of(const char *verb)
{
    const struct cmd *c;
    struct err e;
    char name[64], option[] = "--help";
    char *argv[] = { name, option, NULL };

    if (cmd_find(verb, &c, &e))
        return cli_fail(&e);
    snprintf(name, sizeof name, "mokao %s", c->name);
    return c->run(2, argv);
}

static int run(int argc, char **argv)
{
    const char *verb = NULL;
    int rc = cli_parse(&argp, argc, argv, &verb);
    struct buf b;
    struct err e;

    if (rc)
        return rc - 1;
    if (verb)
        return help_of(verb);
    buf_init(&b, 1 << 16);
    cli_help(&b);
    if (buf_check(&b, "help", &e) || cli_print(&b, &e))
        rc = cli_fail(&e);
    buf_free(&b);
    return rc;
}

const struct cmd cmd_help = {
    .name = "help",
    .doc = "what a verb does and its options",
    .run = run,
};
