/* A program nobody trusts, run by bubblewrap.
 *
 *   setpriv (only when we are root) -> bwrap -> prlimit -> the program
 *
 * Limits are set inside, by prlimit: the kernel counts processes for each user
 * of a user namespace, so there it counts the sandbox's own.  The files, the
 * input and the filter of system calls are memory that is handed over as
 * descriptors; nothing is written to disk.  bwrap tells on a pipe of its own
 * whether the program was started, so that a sandbox that could not be made is
 * never taken for a program that failed.  To end it its group is killed; it is
 * process 1's parent, and with process 1 the namespace goes. */
#include "harness/exec/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/io.h"
#include "harness/base/mem.h"
#include "harness/exec/filter.h"

enum {
    ARGS_MOST = 160,
    /* Descriptors as bwrap finds them; ours are made above them, so that
     * putting one in its place never covers another. */
    FD_STATUS = 3,
    FD_FILTER = 4,
    FD_FILES = 5,
    FD_OURS = 64,
    STATUS_BYTES = 8192
};
static const char setpriv[] = "/usr/bin/setpriv",
                  prlimit_path[] = "/usr/bin/prlimit";

static const char *bwrap_path(void)
{
    const char *path = getenv("MOKAO_BWRAP");

    return path && *path ? path : "/usr/bin/bwrap";
}

void sandbox_result_init(struct sandbox_result *r)
{
    *r = (struct sandbox_result){ .end = SANDBOX_EXITED };
    buf_init(&r->out, 0);
    buf_init(&r->err, 0);
}

void sandbox_result_free(struct sandbox_result *r)
{
    buf_free(&r->out);
    buf_free(&r->err);
}

/* ---- the command line ---- */

struct args {
    struct arena *a;
    char *v[ARGS_MOST]; /* NULL behind the last */
    size_t n;
};

static void add(struct args *x, const char *word)
{
    if (x->n + 1 < ARGS_MOST)
        x->v[x->n++] = arena_strdup(x->a, word);
    else
        x->a->failed = true;
}

static void add_all(struct args *x, const char *const *words)
{
    for (; *words; words++)
        add(x, *words);
}

/* A folder of the root that is a link into /usr stays one. */
static void add_root_dir(struct args *x, const char *path)
{
    struct stat st;
    char to[64];
    ssize_t n;

    if (lstat(path, &st))
        return;
    n = S_ISLNK(st.st_mode) ? readlink(path, to, sizeof to) : -1;
    if (n > 0 && n < (ssize_t)sizeof to) {
        add(x, "--symlink");
        add(x, arena_dup(x->a, to, (size_t)n));
    } else {
        add(x, "--ro-bind");
        add(x, path);
    }
    add(x, path);
}

static void add_tree(struct args *x)
{
    static const char *const seen[] = {
        "/usr/bin",          "/usr/lib",        "/usr/lib64",
        "/usr/libexec",      "/usr/include",    "/usr/share/zoneinfo",
        "/etc/alternatives", "/etc/ld.so.cache"
    };

    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        add(x, "--ro-bind-try");
        add(x, seen[i]);
        add(x, seen[i]);
    }
    add_root_dir(x, "/bin");
    add_root_dir(x, "/lib");
    add_root_dir(x, "/lib64");
}

static void add_files(struct args *x, const struct sandbox_job *job)
{
    for (size_t i = 0; i < job->n_files; i++) {
        add(x, "--perms");
        add(x, "0555");
        add(x, "--ro-bind-data");
        add(x, arena_printf(x->a, "%zu", FD_FILES + i));
        add(x, arena_printf(x->a, "/box/%s", job->files[i].name));
    }
}

static void add_limits(struct args *x, const struct sandbox_job *job)
{
    unsigned long long memory = (unsigned long long)job->memory_mb << 20;
    unsigned long long disk = (unsigned long long)job->disk_mb << 20;

    add(x, prlimit_path);
    add(x, arena_printf(x->a, "--cpu=%d:%d", job->cpu_s, job->cpu_s + 1));
    add(x, arena_printf(x->a, "--as=%llu", memory));
    add(x, arena_printf(x->a, "--nproc=%d", job->processes));
    add(x, arena_printf(x->a, "--fsize=%llu", disk));
    add(x, "--nofile=64");
    add(x, "--core=0");
    add(x, "--memlock=0");
    add(x, "--msgqueue=0");
    add(x, "--");
}

static void make_args(struct args *x, const struct sandbox_job *job)
{
    static const char *const drop[] = {
        setpriv,          "--reuid",         "65534", "--regid", "65534",
        "--clear-groups", "--inh-caps=-all", "--",    NULL
    };
    static const char *const spaces[] = { "--unshare-user",
                                          "--unshare-pid",
                                          "--unshare-net",
                                          "--unshare-ipc",
                                          "--unshare-uts",
                                          "--unshare-cgroup-try",
                                          "--uid",
                                          "65534",
                                          "--gid",
                                          "65534",
                                          "--hostname",
                                          "box",
                                          "--cap-drop",
                                          "ALL",
                                          "--new-session",
                                          "--die-with-parent",
                                          "--json-status-fd",
                                          "3",
                                          NULL };
    static const char *const rest[] = { "--remount-ro",
                                        "/dev",
                                        "--remount-ro",
                                        "/",
                                        "--chdir",
                                        "/tmp",
                                        "--clearenv",
                                        "--setenv",
                                        "PATH",
                                        "/usr/bin:/bin",
                                        "--setenv",
                                        "HOME",
                                        "/tmp",
                                        "--setenv",
                                        "LANG",
                                        "C.UTF-8",
                                        "--setenv",
                                        "PYTHONHASHSEED",
                                        "0",
                                        NULL };

    if (geteuid() == 0)
        add_all(x, drop);
    add(x, bwrap_path());
    add_all(x, spaces);
    if (filter_program().n) {
        add(x, "--seccomp");
        add(x, "4");
    }
    add_tree(x);
    add_files(x, job);
    add(x, "--dev");
    add(x, "/dev");
    add(x, "--size");
    add(x, arena_printf(x->a, "%llu", (unsigned long long)job->disk_mb << 20));
    add(x, "--tmpfs");
    add(x, "/tmp");
    add_all(x, rest);
    add(x, "--");
    add_limits(x, job);
    add_all(x, job->argv);
}

/* ---- descriptors ---- */

struct box {
    int in, out[2], err[2], status[2], filter, files[SANDBOX_FILES];
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void box_close(struct box *b)
{
    int *all[] = { &b->in,     &b->out[0],    &b->out[1],    &b->err[0],
                   &b->err[1], &b->status[0], &b->status[1], &b->filter };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close_fd(all[i]);
    for (size_t i = 0; i < SANDBOX_FILES; i++)
        close_fd(&b->files[i]);
}

/* Above the places of the child's. */
static int lift(int fd)
{
    int up = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_OURS);

    if (fd >= 0)
        close(fd);
    return up;
}

static bool make_pipe(int pair[2])
{
    int p[2];

    if (pipe2(p, O_CLOEXEC))
        return false;
    pair[0] = lift(p[0]);
    pair[1] = lift(p[1]);
    if (pair[0] < 0 || pair[1] < 0)
        return false;
    return fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0;
}

/* Bytes as a file that stands at its start. */
static int make_file(struct str data)
{
    int fd = lift(memfd_create("mokao", MFD_CLOEXEC));
    size_t at = 0;

    while (fd >= 0 && at < data.n) {
        ssize_t n = write(fd, data.p + at, data.n - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool box_open(struct box *b, const struct sandbox_job *job)
{
    *b = (struct box){ -1, { -1, -1 }, { -1, -1 }, { -1, -1 }, -1, { 0 } };
    for (size_t i = 0; i < SANDBOX_FILES; i++)
        b->files[i] = -1;
    b->in = make_file(job->input);
    b->filter = make_file(filter_program());
    if (b->in < 0 || b->filter < 0 || !make_pipe(b->out) ||
        !make_pipe(b->err) || !make_pipe(b->status))
        return false;
    for (size_t i = 0; i < job->n_files; i++) {
        b->files[i] = make_file(job->files[i].data);
        if (b->files[i] < 0)
            return false;
    }
    return true;
}

/* ---- starting ---- */

static int set_descriptors(posix_spawn_file_actions_t *act, const struct box *b,
                           size_t n_files)
{
    int from[FD_FILES] = { b->in, b->out[1], b->err[1], b->status[1],
                           b->filter };
    int rc = 0;

    for (int i = 0; i < FD_FILES && !rc; i++)
        rc = posix_spawn_file_actions_adddup2(act, from[i], i);
    for (size_t i = 0; i < n_files && !rc; i++)
        rc = posix_spawn_file_actions_adddup2(act, b->files[i],
                                              FD_FILES + (int)i);
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(act,
                                                      FD_FILES + (int)n_files);
    /* our own folder stays out of sight, and need not be readable to nobody */
    return rc ? rc : posix_spawn_file_actions_addchdir_np(act, "/");
}

static int set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
    if (!rc)
        rc = posix_spawnattr_setpgroup(attr, 0);
    if (!rc)
        rc = posix_spawnattr_setsigmask(attr, &none);
    return rc ? rc : posix_spawnattr_setsigdefault(attr, &all);
}

/* No variable of ours is handed on, not even to bwrap. */
static int start(pid_t *pid, const struct args *x, const struct box *b,
                 size_t n_files)
{
    char path[] = "PATH=/usr/bin:/bin";
    char *const environment[] = { path, NULL };
    posix_spawn_file_actions_t act;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&act);

    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (!rc) {
        rc = set_attributes(&attr);
        if (!rc)
            rc = set_descriptors(&act, b, n_files);
        if (!rc)
            rc = posix_spawn(pid, x->v[0], &act, &attr, x->v, environment);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&act);
    return rc;
}

/* ---- watching ---- */

struct watch {
    int *fd[3]; /* stdout, stderr, bwrap's own */
    struct buf *to[3];
    bool over[3]; /* more came than is taken */
};

static void read_some(struct watch *w, int i)
{
    char piece[16384];

    for (;;) {
        ssize_t n = read(*w->fd[i], piece, sizeof piece);
        size_t room = w->to[i]->limit - w->to[i]->n;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_fd(w->fd[i]);
            return;
        }
        w->over[i] = w->over[i] || (size_t)n > room;
        buf_add(w->to[i], piece, (size_t)n < room ? (size_t)n : room);
        if (w->over[i])
            return;
    }
}

/* Until all three have ended, too much has come, or the time is over: false. */
static bool watch(struct watch *w, int64_t until_ns)
{
    while (*w->fd[0] >= 0 || *w->fd[1] >= 0 || *w->fd[2] >= 0) {
        int64_t left = (until_ns - io_now_ns()) / 1000000;
        struct pollfd p[3];

        if (left <= 0)
            return false;
        for (int i = 0; i < 3; i++)
            p[i] = (struct pollfd){ *w->fd[i], POLLIN, 0 };
        if (poll(p, 3, left < 1000 ? (int)left : 1000) <= 0)
            continue;
        for (int i = 0; i < 3; i++)
            if (p[i].revents)
                read_some(w, i);
        if (w->over[0] || w->over[1] || w->over[2])
            return true;
    }
    return true;
}

static void reap(pid_t pid)
{
    int status;

    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* bwrap's "exit-code" is there only when the program was started. */
static bool read_status(struct str told, int *code)
{
    static const char key[] = "\"exit-code\":";
    size_t at = str_find(told, STR(key), 0);

    if (at == (size_t)-1)
        return false;
    *code = 0;
    for (at += sizeof key - 1; at < told.n && told.p[at] == ' ';)
        at++;
    for (; at < told.n && told.p[at] >= '0' && told.p[at] <= '9'; at++)
        *code = *code * 10 + told.p[at] - '0';
    return true;
}

static enum err_code tell_missing(const struct sandbox_result *r, struct err *e)
{
    struct str said = str_trim(buf_view(&r->err));

    said = str_sub(said, 0, 90);
    said = str_sub(said, 0, text_whole(said));
    if (!text_check(said, NULL))
        said = STR("");
    return err_set(e, ERR_NOENV,
                   "no sandbox to run code in (%.*s): bubblewrap needs user "
                   "namespaces; see kernel.unprivileged_userns_clone",
                   STR_FMT(said));
}

static enum err_code judge_end(const struct watch *w, bool in_time, int cpu_s,
                               int64_t took_ns, struct sandbox_result *r,
                               struct err *e)
{
    int code = 0;

    r->status = 0;
    if (w->over[0] || w->over[1]) {
        r->end = SANDBOX_OUTPUT;
        return ERR_OK;
    }
    if (!in_time) {
        r->end = SANDBOX_TIME;
        return ERR_OK;
    }
    if (!read_status(buf_view(w->to[2]), &code))
        return tell_missing(r, e);
    r->end = code > 128 ? SANDBOX_SIGNALED : SANDBOX_EXITED;
    r->status = code > 128 ? code - 128 : code;
    if (code == 128 + SIGXCPU ||
        (code == 128 + SIGKILL && took_ns >= (int64_t)cpu_s * 1000000000))
        r->end = SANDBOX_TIME;
    return ERR_OK;
}

static enum err_code run_args(const struct sandbox_job *job,
                              const struct args *x, struct box *b,
                              struct sandbox_result *r, struct err *e)
{
    int64_t begun = io_now_ns();
    int64_t until = begun + ((int64_t)job->cpu_s * 3 + 2) * 1000000000;
    struct buf told;
    struct watch w = { { &b->out[0], &b->err[0], &b->status[0] },
                       { &r->out, &r->err, &told },
                       { false, false, false } };
    enum err_code rc;
    bool in_time;
    pid_t pid;
    int cause = start(&pid, x, b, job->n_files);

    if (cause)
        return err_errno(e, cause, "%s", x->v[0]);
    close_fd(&b->out[1]);
    close_fd(&b->err[1]);
    close_fd(&b->status[1]);
    buf_init(&told, STATUS_BYTES);
    in_time = watch(&w, until);
    reap(pid);
    rc = judge_end(&w, in_time, job->cpu_s, io_now_ns() - begun, r, e);
    if (!rc && (r->out.failed || r->err.failed || told.failed))
        rc = err_set(e, ERR_NOMEM, "no memory for a program's output");
    buf_free(&told);
    return rc;
}

static enum err_code need(const char *path, const char *cure, struct err *e)
{
    if (access(path, X_OK) == 0)
        return ERR_OK;
    return err_set(e, ERR_NOENV, "no sandbox to run code in: %s is missing%s",
                   path, cure);
}

enum err_code sandbox_run(const struct sandbox_job *job,
                          struct sandbox_result *r, struct err *e)
{
    struct arena a;
    struct args *x;
    struct box b;
    enum err_code rc;

    if (need(bwrap_path(), ": install the package bubblewrap", e) ||
        need(prlimit_path, ": install the package util-linux", e) ||
        (geteuid() == 0 &&
         need(setpriv, ": install the package util-linux", e)) ||
        (!str_starts(str_of(job->argv[0]), STR("/box/")) &&
         need(job->argv[0], "", e)) ||
        (job->tool && need(job->tool, ": install it", e)))
        return e->code;
    buf_clear(&r->out);
    buf_clear(&r->err);
    r->out.limit = r->err.limit = job->output_max;
    arena_init(&a, 0);
    x = arena_alloc(&a, sizeof *x);
    if (x) {
        x->a = &a;
        make_args(x, job);
    }
    if (!x || a.failed) {
        arena_free(&a);
        return err_set(e, ERR_NOMEM, "no memory for a sandbox");
    }
    if (!box_open(&b, job))
        rc = err_set(e, ERR_IO, "no descriptors or memory for a sandbox");
    else
        rc = run_args(job, x, &b, r, e);
    box_close(&b);
    arena_free(&a);
    return rc;
}
