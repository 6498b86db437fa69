/* A program with pipes.  All descriptors are non-blocking and close-on-exec, so
 * that one child does not hold another's pipes open. */
#include "runners/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/io.h"

extern char **environ;

enum {
    SAID_KEPT = 2000, /* bytes of stderr */
    SAID_SHOWN = 160, /* of them in a message */
    PIECE = 65536
};

/* --- the command line ------------------------------------------------------ */

/* The next character of a word, -1 at its end; *quote is the open one. */
static int next_char(const char **p, char *quote)
{
    for (;; ++*p) {
        char c = **p;
        if (c == '\0' || (!*quote && (c == ' ' || c == '\t')))
            return -1;
        if (c == '\\' && *quote != '\'' && (*p)[1] &&
            strchr(" \t'\"\\", (*p)[1]))
            return (unsigned char)*++*p;
        if (c == *quote)
            *quote = '\0';
        else if (!*quote && (c == '\'' || c == '"'))
            *quote = c;
        else
            return (unsigned char)c;
    }
}

enum err_code child_words(const char *line, struct arena *a, char ***words,
                          size_t *n, struct err *e)
{
    size_t room = strlen(line) + 1;
    char *to = arena_alloc(a, room), quote = '\0';

    *words = arena_array(a, room / 2 + 2, sizeof **words);
    *n = 0;
    if (!to || !*words)
        return err_set(e, ERR_NOMEM, "no memory for a command line");
    for (const char *p = line; *p; to++) {
        int c;
        while (*p == ' ' || *p == '\t')
            p++;
        if (!*p)
            break;
        (*words)[(*n)++] = to;
        for (; (c = next_char(&p, &quote)) >= 0; p++)
            *to++ = (char)c;
        *to = '\0';
    }
    if (quote)
        return err_set(e, ERR_FORMAT, "a quote %c is not closed in: %s", quote,
                       line);
    if (!*n)
        return err_set(e, ERR_FORMAT, "no program is named");
    return ERR_OK;
}

/* --- starting -------------------------------------------------------------- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Pipes 0, 1, 2: [0] is the end that is read. */
static int make_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC)) {
            int cause = errno;
            while (i-- > 0) {
                close(pipes[i][0]);
                close(pipes[i][1]);
            }
            return cause;
        }
    return 0;
}

/* Signals as a program expects them, whatever ours are. */
static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, normal;
    int rc;

    sigemptyset(&none);
    sigemptyset(&normal);
    sigaddset(&normal, SIGPIPE);
    sigaddset(&normal, SIGINT);
    sigaddset(&normal, SIGTERM);
    rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
    if (!rc)
        rc = posix_spawnattr_setpgroup(attr, 0);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attr, &normal);
}

static int spawn(pid_t *pid, char *const *words, int pipes[3][2])
{
    posix_spawn_file_actions_t act;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&act);

    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (!rc) {
        rc = set_attributes(&attr);
        for (int i = 0; i < 3 && !rc; i++)
            rc = posix_spawn_file_actions_adddup2(&act, pipes[i][i != 0], i);
        if (!rc)
            rc = posix_spawnp(pid, words[0], &act, &attr, words, environ);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&act);
    return rc;
}

static int keep_end(int pair[2], int ours)
{
    close(pair[!ours]);
    fcntl(pair[ours], F_SETFL, O_NONBLOCK);
    return pair[ours];
}

enum err_code child_start(struct child *c, char *const *words, struct err *e)
{
    int pipes[3][2], rc = make_pipes(pipes);

    *c = (struct child){ .in = -1, .out = -1, .err = -1 };
    if (rc)
        return err_errno(e, rc, "pipes to %s", words[0]);
    rc = spawn(&c->pid, words, pipes);
    c->in = keep_end(pipes[0], 1);
    c->out = keep_end(pipes[1], 0);
    c->err = keep_end(pipes[2], 0);
    buf_init(&c->to, (size_t)256 << 20);
    buf_init(&c->line, CHILD_LINE + PIECE);
    buf_init(&c->said, 2 * SAID_KEPT + PIECE);
    if (!rc)
        return ERR_OK;
    c->pid = 0;
    child_end(c, 0, NULL);
    return err_set(e, ERR_NOENV, "%s: cannot be started: %s", words[0],
                   rc == ENOENT ? "there is no such program" : strerror(rc));
}

/* --- speaking -------------------------------------------------------------- */

void child_tell(struct child *c, struct str text)
{
    buf_text(&c->to, text);
}

void child_poll(const struct child *c, struct pollfd *fds)
{
    bool unsent = c->sent < c->to.n;

    fds[0] = (struct pollfd){ unsent ? c->in : -1, POLLOUT, 0 };
    fds[1] = (struct pollfd){ c->out, POLLIN, 0 };
    fds[2] = (struct pollfd){ c->err, POLLIN, 0 };
}

/* EPIPE means that it has ended, which its stdout will tell. */
static void write_some(struct child *c)
{
    while (c->in >= 0 && c->sent < c->to.n) {
        ssize_t n = write(c->in, c->to.p + c->sent, c->to.n - c->sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            close_fd(&c->in);
            return;
        }
        c->sent += (size_t)n;
    }
    buf_clear(&c->to);
    c->sent = 0;
}

/* Reads what is there; false at the end of the stream. */
static bool read_some(int *fd, struct buf *out)
{
    char piece[PIECE];

    while (*fd >= 0 && !out->failed) {
        ssize_t n = read(*fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            close_fd(fd);
            break;
        }
        buf_add(out, piece, (size_t)n);
        if (n < (ssize_t)sizeof piece)
            return true;
    }
    return *fd >= 0;
}

static void drop_front(struct buf *b, size_t n)
{
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = '\0';
}

void child_exchange(struct child *c)
{
    write_some(c);
    if (c->taken && c->taken <= c->line.n) {
        drop_front(&c->line, c->taken);
        c->taken = 0;
    }
    if (!read_some(&c->out, &c->line))
        c->ended = true;
    read_some(&c->err, &c->said);
    if (c->said.n > SAID_KEPT)
        drop_front(&c->said, c->said.n - SAID_KEPT);
}

enum err_code child_line(struct child *c, struct str *line, bool *there,
                         struct err *e)
{
    struct str rest = { c->line.p + c->taken, c->line.n - c->taken };
    const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;

    *there = end != NULL;
    if (!end && (c->line.failed || rest.n > CHILD_LINE))
        return err_set(e, ERR_LIMIT, "a line of more than %zu MB",
                       CHILD_LINE >> 20);
    if (!end)
        return ERR_OK;
    *line = (struct str){ rest.p, (size_t)(end - rest.p) };
    c->taken += line->n + 1;
    return ERR_OK;
}

size_t child_rest(const struct child *c)
{
    return c->line.n - c->taken;
}

/* --- ending ---------------------------------------------------------------- */

static void nap(void)
{
    const struct timespec ms = { .tv_nsec = 5000000 };

    nanosleep(&ms, NULL);
}

void child_hang_up(struct child *c)
{
    close_fd(&c->in);
}

/* Waits until it has ended or the time is over. */
static bool reap(struct child *c, int64_t wait_ms, int *status)
{
    int64_t until = io_now_ns() + wait_ms * 1000000;

    for (;;) {
        pid_t done = waitpid(c->pid, status, WNOHANG);
        if (done == c->pid || (done < 0 && errno != EINTR))
            return true;
        if (io_now_ns() >= until)
            return false;
        nap();
    }
}

/* Values of variables that look like keys do not get into messages, which are
 * stored. */
static bool is_secret(const char *variable, const char **value)
{
    static const char *const hints[] = { "KEY", "SECRET", "TOKEN", "PASS" };
    const char *equals = strchr(variable, '=');
    struct str name = { variable, equals ? (size_t)(equals - variable) : 0 };

    if (!equals || strlen(equals + 1) < 6)
        return false;
    *value = equals + 1;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (str_find(name, str_of(hints[i]), 0) != (size_t)-1)
            return true;
    return false;
}

static void hide_secrets(struct buf *text)
{
    const char *value;

    for (char *const *v = environ; *v; v++) {
        size_t at = 0;
        if (!is_secret(*v, &value))
            continue;
        while ((at = str_find(buf_view(text), str_of(value), at)) !=
               (size_t)-1) {
            memset(text->p + at, '*', strlen(value));
            at += strlen(value);
        }
    }
}

/* The last of what it said, from the start of a character. */
static void add_said(struct child *c, struct buf *how)
{
    struct str s;

    hide_secrets(&c->said);
    s = str_trim(buf_view(&c->said));
    if (s.n > SAID_SHOWN)
        s = str_sub(s, s.n - SAID_SHOWN, s.n);
    while (s.n && ((unsigned char)*s.p & 0xc0) == 0x80)
        s = str_sub(s, 1, s.n);
    if (s.n && text_check(s, NULL))
        buf_printf(how, "; it said: %.*s", STR_FMT(s));
}

static void add_status(int status, bool killed, struct buf *how)
{
    if (killed)
        buf_str(how, "killed");
    else if (WIFSIGNALED(status))
        buf_printf(how, "signal %d", WTERMSIG(status));
    else
        buf_printf(how, "exit status %d", WEXITSTATUS(status));
}

bool child_end(struct child *c, int64_t grace_ms, struct buf *how)
{
    bool killed = false;
    int status = 0;

    close_fd(&c->in);
    if (c->pid) {
        killed = !reap(c, grace_ms, &status);
        kill(-c->pid, SIGKILL); /* what it has started goes too */
        if (killed)
            reap(c, 10000, &status);
        read_some(&c->err, &c->said);
    }
    if (how) {
        add_status(status, killed, how);
        add_said(c, how);
    }
    close_fd(&c->out);
    close_fd(&c->err);
    buf_free(&c->to);
    buf_free(&c->line);
    buf_free(&c->said);
    c->pid = 0;
    return !killed && status == 0;
}
