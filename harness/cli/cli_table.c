/* Choosing a format, and printing tables as the terminal likes them. */
#include "harness/cli/cli_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/cli/cmd.h"

const struct report_format *cli_format(const char *name)
{
    for (size_t i = 0; report_formats[i]; i++)
        if (!strcmp(report_formats[i]->name, name))
            return report_formats[i];
    return NULL;
}

error_t cli_arg_format(struct argp_state *st, const char *name,
                       const struct report_format **out)
{
    *out = cli_format(name);
    if (*out)
        return 0;
    argp_error(st,
               "--format: expected csv, html, json, md or table, got \"%s\"",
               name);
    return EINVAL;
}

static struct report_style terminal_style(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct report_style s = { 0 };
    struct winsize w;

    if (!cli_stdout_is_terminal())
        return s;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w))
        s.width = w.ws_col;
    s.colour = !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
    return s;
}

static void notes_to_stderr(const struct table *t)
{
    for (size_t i = 0; i < t->n_notes; i++)
        fprintf(stderr, "%s\n", t->notes[i]);
}

enum err_code cli_print_tables(const struct table *tables, size_t n,
                               const struct report_format *format,
                               struct err *e)
{
    struct report_style style = terminal_style();
    struct buf out;
    enum err_code rc;

    buf_init(&out, (size_t)1 << 31);
    format->print(tables, n, &style, &out);
    rc = buf_check(&out, "report", e);
    if (!rc)
        rc = cli_print(&out, e);
    buf_free(&out);
    for (size_t i = 0; !rc && !format->notes && i < n; i++)
        notes_to_stderr(&tables[i]);
    return rc;
}
