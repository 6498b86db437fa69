/* gnuplot as a process of its own.
 *
 * The scripts stand in report/plots as files that can be read, tried and
 * edited, and are taken into the program when this file is assembled, so that
 * an installed program needs no files beside it.  gnuplot runs in a private
 * folder with fixed names, so no path has to be quoted; the picture is moved to
 * its place as a whole when it is finished. */
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/io.h"

#define EMBED(symbol, file)                                                    \
    __asm__(".pushsection .rodata\n.global " symbol "\n" symbol ":\n"          \
            ".incbin \"" file "\"\n.byte 0\n.popsection\n")
EMBED("plot_bars_gp", "report/plots/bars.gp");
EMBED("plot_radar_gp", "report/plots/radar.gp");
EMBED("plot_scatter_gp", "report/plots/scatter.gp");

extern char **environ;

/* --- script and data ------------------------------------------------------ */

static void put_printable(struct buf *out, const char *s, char quote)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            buf_char(out, ' ');
        else if (*s == quote && quote == '\'')
            buf_str(out, "''");
        else if (*s == quote)
            buf_char(out, '\'');
        else
            buf_char(out, *s);
    }
}

void plot_set_str(struct buf *script, const char *name, const char *value)
{
    buf_printf(script, "%s = '", name);
    put_printable(script, value, '\'');
    buf_str(script, "'\n");
}

void plot_set_num(struct buf *script, const char *name, double value)
{
    buf_printf(script, "%s = %.10g\n", name, value);
}

/* A double quote would begin a quoted field: it becomes a single one. */
void plot_field(struct buf *data, const char *value)
{
    put_printable(data, value, '"');
}

/* --- the process ---------------------------------------------------------- */

static const struct picture {
    const char *ending, *terminal;
} pictures[] = { { ".png", "pngcairo" }, { ".svg", "svg" } };

static const struct picture *picture_of(const char *path)
{
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        if (str_ends(str_of(path), str_of(pictures[i].ending)))
            return &pictures[i];
    return NULL;
}

enum err_code plot_check_path(const char *path, struct err *e)
{
    if (picture_of(path))
        return ERR_OK;
    return err_set(e, ERR_USAGE, "plot %s: the name must end in .svg or .png",
                   path);
}

static enum err_code write_in(const char *dir, const char *name, struct str s,
                              struct err *e)
{
    struct arena a;
    char *path;
    enum err_code rc;

    arena_init(&a, 0);
    path = io_join(&a, dir, name);
    rc = path ? io_replace(path, s, e)
              : err_set(e, ERR_NOMEM, "no memory for a file name");
    arena_free(&a);
    return rc;
}

static enum err_code write_inputs(const char *dir, struct str script,
                                  const char *data, struct err *e)
{
    enum err_code rc = write_in(dir, "plot.gp", script, e);

    return rc ? rc : write_in(dir, "data.tsv", str_of(data), e);
}

/* Starts gnuplot in dir with its messages in dir/messages. */
static int spawn_in(const char *dir, pid_t *pid)
{
    char name[] = "gnuplot", no_startup[] = "-d", script[] = "plot.gp";
    char *argv[] = { name, no_startup, script, NULL };
    posix_spawn_file_actions_t act;
    int rc = posix_spawn_file_actions_init(&act);

    if (rc)
        return rc;
    rc = posix_spawn_file_actions_addchdir_np(&act, dir);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&act, STDIN_FILENO, "/dev/null",
                                              O_RDONLY, 0);
    if (!rc)
        rc = posix_spawn_file_actions_addopen(&act, STDERR_FILENO, "messages",
                                              O_WRONLY | O_CREAT | O_TRUNC,
                                              0600);
    if (!rc)
        rc = posix_spawn_file_actions_adddup2(&act, STDERR_FILENO,
                                              STDOUT_FILENO);
    if (!rc)
        rc = posix_spawnp(pid, name, &act, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&act);
    return rc;
}

/* What gnuplot said last goes into the message. */
static enum err_code gnuplot_failed(const char *dir, int status, struct err *e)
{
    struct arena a;
    struct buf said;
    struct str s;
    char *path;

    arena_init(&a, 0);
    buf_init(&said, 1 << 16);
    path = io_join(&a, dir, "messages");
    if (!path || io_read(path, &said, NULL))
        buf_clear(&said);
    s = str_trim(buf_view(&said));
    if (!text_check(s, NULL))
        s = STR("");
    err_set(e, ERR_NOENV, "gnuplot ended with %d: %.*s",
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            STR_FMT(s));
    buf_free(&said);
    arena_free(&a);
    return ERR_NOENV;
}

static enum err_code run_in(const char *dir, struct err *e)
{
    pid_t pid;
    int status, rc = spawn_in(dir, &pid);

    if (rc == ENOENT)
        return err_set(e, ERR_NOENV,
                       "gnuplot is not installed: plots need the packages "
                       "gnuplot-nox and fonts-noto-cjk");
    if (rc)
        return err_errno(e, rc, "gnuplot");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(e, errno, "gnuplot");
    return status ? gnuplot_failed(dir, status, e) : ERR_OK;
}

/* The picture from the private folder to its place. */
static enum err_code deliver(const char *dir, const char *path, struct err *e)
{
    struct arena a;
    struct buf picture;
    char *from;
    enum err_code rc;

    arena_init(&a, 0);
    buf_init(&picture, (size_t)1 << 28);
    from = io_join(&a, dir, "picture");
    rc = from ? io_read(from, &picture, e)
              : err_set(e, ERR_NOMEM, "no memory for a file name");
    if (!rc && !picture.n)
        rc = err_set(e, ERR_NOENV, "gnuplot made an empty picture");
    if (!rc)
        rc = io_replace(path, buf_view(&picture), e);
    buf_free(&picture);
    arena_free(&a);
    return rc;
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = { "plot.gp", "data.tsv", "messages",
                                         "picture" };
    char path[256];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static enum err_code make_folder(char *dir, size_t n, struct err *e)
{
    const char *tmp = getenv("TMPDIR");

    if (!tmp || !*tmp || strlen(tmp) > 180)
        tmp = "/tmp";
    snprintf(dir, n, "%s/mokao-plot-XXXXXX", tmp);
    if (!mkdtemp(dir))
        return err_errno(e, errno, "folder %s", dir);
    return ERR_OK;
}

enum err_code plot_run(const char *script, const char *data, const char *path,
                       const char *keep, struct err *e)
{
    char dir[224];
    struct buf full;
    const struct picture *picture = picture_of(path);
    enum err_code rc;

    if (!picture)
        return plot_check_path(path, e);
    buf_init(&full, 1 << 20);
    plot_set_str(&full, "mokao_terminal", picture->terminal);
    plot_set_str(&full, "mokao_output", "picture");
    buf_str(&full, script);
    rc = buf_check(&full, "plot script", e);
    if (!rc && keep)
        rc = io_mkdirs(keep, e);
    if (!rc && keep)
        rc = write_inputs(keep, buf_view(&full), data, e);
    if (!rc)
        rc = make_folder(dir, sizeof dir, e);
    if (rc)
        goto done;
    rc = write_inputs(dir, buf_view(&full), data, e);
    if (!rc)
        rc = run_in(dir, e);
    if (!rc)
        rc = deliver(dir, path, e);
    remove_folder(dir);
done:
    buf_free(&full);
    return rc;
}
