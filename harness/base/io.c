/* Files and clocks.  Every read, write, sync and rename passes through one of
 * the four small functions at the top, where tests can make it fail. */
#include "harness/base/io.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_size_t fail_in; /* 0: off, 1: the next call fails */
static atomic_int fail_errno;

void io_fail_at(size_t nth, int errnum)
{
    atomic_store(&fail_errno, errnum);
    atomic_store(&fail_in, nth);
}

static bool must_fail(void)
{
    size_t left = atomic_load(&fail_in);

    while (left && !atomic_compare_exchange_weak(&fail_in, &left, left - 1))
        ;
    if (left != 1)
        return false;
    errno = atomic_load(&fail_errno);
    return true;
}

static ssize_t do_read(int fd, void *p, size_t n)
{
    return must_fail() ? -1 : read(fd, p, n);
}

static ssize_t do_write(int fd, const void *p, size_t n)
{
    return must_fail() ? -1 : write(fd, p, n);
}

static int do_sync(int fd)
{
    return must_fail() ? -1 : fsync(fd);
}

static int do_rename(const char *from, const char *to)
{
    return must_fail() ? -1 : rename(from, to);
}

enum err_code io_read(const char *path, struct buf *out, struct err *e)
{
    enum err_code rc = ERR_OK;
    char chunk[32768];
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    while (n && !rc) {
        n = do_read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = err_errno(e, errno, "%s", path);
            break;
        }
        buf_add(out, chunk, (size_t)n);
        rc = buf_check(out, path, e);
    }
    (void)close(fd);
    return rc;
}

struct str io_skip_bom(struct str s)
{
    return str_starts(s, STR("\xEF\xBB\xBF")) ? str_sub(s, 3, s.n) : s;
}

static int write_all(int fd, struct str s)
{
    while (s.n) {
        ssize_t n = do_write(fd, s.p, s.n);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            s = str_sub(s, (size_t)n, s.n);
    }
    return 0;
}

/* A rename is durable when its folder is.  File systems that cannot sync a
 * folder say EINVAL; there is nothing more to be done on those. */
static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0)
        return -1;
    rc = do_sync(fd);
    if (rc < 0 && errno == EINVAL)
        rc = 0;
    (void)close(fd);
    return rc;
}

/* The folder that path is in; path is cut to its name. */
static int sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        return sync_folder(".");
    slash[1] = '\0';
    return sync_folder(path);
}

static char *temporary_name(const char *path)
{
    static atomic_uint serial; /* two threads never share a name */
    size_t n = strlen(path) + 48;
    char *tmp = mem_alloc(n);

    if (tmp)
        (void)snprintf(tmp, n, "%s.tmp-%ld-%u", path, (long)getpid(),
                       atomic_fetch_add(&serial, 1));
    return tmp;
}

enum err_code io_create(struct io_out *f, const char *path, struct err *e)
{
    enum err_code rc;

    *f = (struct io_out){ -1, path, temporary_name(path) };
    if (!f->tmp)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd >= 0)
        return ERR_OK;
    rc = err_errno(e, errno, "%s", path);
    io_discard(f);
    return rc;
}

enum err_code io_write(struct io_out *f, const void *p, size_t n, struct err *e)
{
    if (write_all(f->fd, (struct str){ p, n }) < 0)
        return err_errno(e, errno, "%s", f->path);
    return ERR_OK;
}

static int finish(struct io_out *f)
{
    int fd = f->fd, rc = do_sync(fd), errnum = errno;

    f->fd = -1;
    if (close(fd) < 0 && !rc)
        return -1;
    errno = errnum;
    return rc ? rc : do_rename(f->tmp, f->path);
}

enum err_code io_commit(struct io_out *f, struct err *e)
{
    enum err_code rc = ERR_OK;

    assert(f->fd >= 0 && f->tmp);
    if (finish(f) < 0)
        return err_errno(e, errno, "%s", f->path);
    /* The temporary file is no more; its name has the folder in it. */
    if (sync_folder_of(f->tmp) < 0)
        rc = err_errno(e, errno, "%s: its folder", f->path);
    mem_free(f->tmp);
    f->tmp = NULL;
    return rc;
}

void io_discard(struct io_out *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    f->fd = -1;
    if (f->tmp)
        (void)unlink(f->tmp);
    mem_free(f->tmp);
    f->tmp = NULL;
}

enum err_code io_replace(const char *path, struct str content, struct err *e)
{
    struct io_out f;
    enum err_code rc = io_create(&f, path, e);

    if (rc)
        return rc;
    rc = io_write(&f, content.p, content.n, e);
    if (!rc)
        rc = io_commit(&f, e);
    io_discard(&f);
    return rc;
}

enum err_code io_remove_dir(const char *path, struct err *e)
{
    struct arena a;
    char **names;
    size_t n;
    enum err_code rc;

    arena_init(&a, 0);
    rc = io_list(path, &a, &names, &n, e);
    for (size_t i = 0; i < n && !rc; i++) {
        const char *file = io_join(&a, path, names[i]);

        if (!file)
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
        else if (unlink(file) < 0 && errno != EISDIR)
            rc = err_errno(e, errno, "%s", file);
    }
    if (!rc && rmdir(path) < 0)
        rc = err_errno(e, errno, "%s", path);
    arena_free(&a);
    return rc;
}

/* Both names change their folder in one step; some file systems cannot. */
static int exchange(const char *a, const char *b)
{
    if (must_fail())
        return -1;
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

/* Without an exchange there is a moment in which path is absent; the old folder
 * then stands under the other name and is put back when the new one cannot
 * come. */
static int replace_in_steps(const char *from, const char *path, const char *old)
{
    int errnum;

    if (do_rename(path, old) < 0)
        return -1;
    if (do_rename(from, path) == 0)
        return do_rename(old, from);
    errnum = errno;
    (void)rename(old, path);
    errno = errnum;
    return -1;
}

static int swap_dirs(const char *from, const char *path)
{
    struct arena a;
    const char *old;
    int rc = exchange(from, path);

    if (rc == 0 || (errno != EINVAL && errno != ENOSYS))
        return rc;
    arena_init(&a, 0);
    old = arena_printf(&a, "%s.old", from);
    errno = ENOMEM;
    rc = old ? replace_in_steps(from, path, old) : -1;
    arena_free(&a);
    return rc;
}

enum err_code io_replace_dir(const char *from, const char *path, struct err *e)
{
    bool there = io_exists(path);
    char *copy = mem_strdup(path);
    enum err_code rc = ERR_OK;

    if (!copy)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    if ((there ? swap_dirs(from, path) : do_rename(from, path)) < 0)
        rc = err_errno(e, errno, "%s", path);
    else if (sync_folder_of(copy) < 0)
        rc = err_errno(e, errno, "%s: its folder", path);
    else if (there)
        rc = io_remove_dir(from, e);
    mem_free(copy);
    return rc;
}

enum err_code io_map(struct io_map *m, const char *path, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct stat st;
    void *p = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *m = (struct io_map){ 0 };
    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (must_fail() || fstat(fd, &st) < 0)
        rc = err_errno(e, errno, "%s", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_FORMAT, "%s: not a regular file", path);
    else if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            rc = err_errno(e, errno, "%s", path);
        else
            *m = (struct io_map){ p, (size_t)st.st_size };
    }
    (void)close(fd);
    return rc;
}

void io_unmap(struct io_map *m)
{
    /* munmap() takes a plain pointer, the map is read-only for all others. */
    union {
        const unsigned char *p;
        void *plain;
    } u;

    if (!m)
        return;
    u.p = m->p;
    if (u.p)
        (void)munmap(u.plain, m->n);
    *m = (struct io_map){ 0 };
}

bool io_next_line(struct io_lines *l)
{
    const char *nl;
    size_t n;

    if (!l->rest.n)
        return false;
    nl = memchr(l->rest.p, '\n', l->rest.n);
    n = nl ? (size_t)(nl - l->rest.p) : l->rest.n;
    l->line = str_sub(l->rest, 0, n);
    l->rest = str_sub(l->rest, nl ? n + 1 : n, l->rest.n);
    if (l->line.n && l->line.p[l->line.n - 1] == '\r')
        l->line.n--;
    l->number++;
    return true;
}

bool io_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool io_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool io_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

enum err_code io_mkdirs(const char *path, struct err *e)
{
    char *copy = mem_strdup(path);
    enum err_code rc = ERR_OK;

    if (!copy)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    for (char *p = copy; *p && !rc; p++) {
        bool end = p[1] == '\0';
        char *cut = *p == '/' ? p : p + 1;
        char was;

        if (p == copy && *p == '/' && !end)
            continue;
        if (*p != '/' && !end)
            continue;
        was = *cut;
        *cut = '\0';
        if (mkdir(copy, 0777) < 0 && !io_is_dir(copy))
            rc = err_errno(e, errno, "%s", copy);
        *cut = was;
    }
    mem_free(copy);
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

enum err_code io_list(const char *path, struct arena *a, char ***names,
                      size_t *n, struct err *e)
{
    DIR *dir = opendir(path);
    struct dirent *d;
    char **list = NULL;
    size_t cap = 0;
    enum err_code rc = ERR_OK;

    *names = NULL;
    *n = 0;
    if (!dir)
        return err_errno(e, errno, "%s", path);
    while (!rc && (errno = 0, d = readdir(dir))) {
        if (is_dots(d->d_name))
            continue;
        if (!mem_grow(&list, &cap, *n + 1, sizeof(*list)) ||
            !(list[*n] = arena_strdup(a, d->d_name)))
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
        else
            (*n)++;
    }
    if (!rc && errno)
        rc = err_errno(e, errno, "%s", path);
    if (!rc && *n) {
        qsort(list, *n, sizeof(*list), by_bytes);
        *names = arena_array(a, *n, sizeof(*list));
        if (*names)
            memcpy(*names, list, *n * sizeof(*list));
        else
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    mem_free(list);
    (void)closedir(dir);
    return rc;
}

char *io_join(struct arena *a, const char *dir, const char *name)
{
    size_t n = strlen(dir);
    const char *slash = n && dir[n - 1] == '/' ? "" : "/";

    return arena_printf(a, "%s%s%s", dir, slash, name);
}

static atomic_llong frozen_ms = -1; /* negative: the clocks run */

void io_set_clock(int64_t wall_ms)
{
    atomic_store(&frozen_ms, wall_ms);
}

int64_t io_now_ns(void)
{
    int64_t ms = atomic_load(&frozen_ms);
    struct timespec t;

    if (ms >= 0)
        return ms * 1000000;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t io_wall_ms(void)
{
    int64_t ms = atomic_load(&frozen_ms);
    struct timespec t;

    if (ms >= 0)
        return ms;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void io_format_time(int64_t wall_ms, char *out, size_t n)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(out, n, "%Y-%m-%dT%H:%M:%SZ", &tm))
        (void)snprintf(out, n, "?");
}
