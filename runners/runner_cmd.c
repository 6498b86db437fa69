/* A program as a model: JSON lines in and out (docs/runners.md).
 *
 * Each seat is a process; each flight a request that has been pulled and not
 * yet answered: it sits in a seat, or waits for one after a failure.  What a
 * program does wrong (ends, says nothing in time, writes what is no answer to
 * a request it has) costs it its life: its flights are asked again in a new
 * process, `retries` times, then they fail.  A program that ends MAX_DEATHS
 * times without an answer in between is given up, and the run with it. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/io.h"
#include "runners/child.h"
#include "runners/record.h"
#include "runners/runner.h"

enum {
    MAX_DEATHS = 10,
    DEFAULT_RETRIES = 1,
    DEFAULT_TIMEOUT_MS = 600000,
    MAX_FLIGHTS = 1000,
    TICK_MS = 50,
    GRACE_MS = 2000,  /* to end by itself when all is answered */
    SHOWN_CELLS = 60, /* of a line that is none of ours */
    BACKOFF_MS = 100,
    BACKOFF_MOST_MS = 10000
};

struct seat {
    struct child child;
    size_t n_flights;
    bool answered; /* anything */
};

struct flight {
    const struct request *q; /* NULL: free */
    struct seat *seat;       /* NULL: waits until ready_ns */
    char id[24];
    int attempts;
    int64_t ready_ns, sent_ns, started_ms;
};

struct cmd_runner {
    struct runner base;
    char **words;
    size_t n_words;
    bool scores;
    size_t parallel; /* flights in a seat at the most */
    struct seat *seats;
    struct flight *flights;
    struct pollfd *fds; /* three for each seat */
    size_t n_seats, n_flights;
    int64_t timeout_ns;
    int retries;
    uint64_t last_id;
    int deaths;      /* since the last answer */
    char cause[200]; /* of the last one */
    const struct exchange *x;
    struct buf line;
    struct arena arena, scratch; /* of the words; of one answer */
};

/* --- opening --------------------------------------------------------------- */

static void cmd_close(struct runner *base)
{
    struct cmd_runner *r = (struct cmd_runner *)base;

    mem_free(r->seats);
    mem_free(r->flights);
    mem_free(r->fds);
    buf_free(&r->line);
    arena_free(&r->arena);
    arena_free(&r->scratch);
    mem_free(r);
}

/* What stands before the program: parallel=N, score=yes. */
static enum err_code read_settings(struct cmd_runner *r, struct err *e)
{
    for (; r->n_words && strchr(r->words[0], '='); r->words++, r->n_words--) {
        const char *word = r->words[0];
        char *end = NULL;
        unsigned long n = 0;
        if (strcmp(word, "score=yes") == 0) {
            r->scores = true;
            continue;
        }
        if (strncmp(word, "parallel=", 9) == 0)
            n = strtoul(word + 9, &end, 10);
        if (n < 1 || n > MAX_FLIGHTS || *end)
            return err_set(e, ERR_FORMAT,
                           "\"%s\": before the program stand parallel=N (1 to "
                           "%d) and score=yes",
                           word, MAX_FLIGHTS);
        r->parallel = n;
    }
    return r->n_words ? ERR_OK : err_set(e, ERR_FORMAT, "no program is named");
}

static enum err_code make_room(struct cmd_runner *r,
                               const struct runner_params *p, struct err *e)
{
    r->n_flights = p->concurrency ? p->concurrency : r->parallel;
    if (r->n_flights > MAX_FLIGHTS)
        r->n_flights = MAX_FLIGHTS;
    r->n_seats = (r->n_flights + r->parallel - 1) / r->parallel;
    r->seats = mem_array(r->n_seats, sizeof *r->seats);
    r->flights = mem_array(r->n_flights, sizeof *r->flights);
    r->fds = mem_array(r->n_seats, 3 * sizeof *r->fds);
    if (!r->seats || !r->flights || !r->fds)
        return err_set(e, ERR_NOMEM, "no memory for %zu requests",
                       r->n_flights);
    return ERR_OK;
}

static enum err_code cmd_open(struct runner **out, const struct model_spec *m,
                              const struct runner_params *p, struct err *e)
{
    struct cmd_runner *r = mem_zalloc(sizeof *r);

    if (!r)
        return err_set(e, ERR_NOMEM, "no memory for a runner");
    r->base.kind = &runner_cmd;
    r->parallel = 1;
    r->retries = p->retries < 0 ? DEFAULT_RETRIES : (int)p->retries;
    r->timeout_ns =
        (p->timeout_ms ? p->timeout_ms : DEFAULT_TIMEOUT_MS) * 1000000;
    arena_init(&r->arena, 0);
    arena_init(&r->scratch, 0);
    buf_init(&r->line, (size_t)256 << 20);
    if (child_words(m->path, &r->arena, &r->words, &r->n_words, e) ||
        read_settings(r, e) || make_room(r, p, e)) {
        cmd_close(&r->base);
        return e->code;
    }
    *out = &r->base;
    return ERR_OK;
}

/* --- a request's line ------------------------------------------------------ */

static void write_sampling(struct jw *w, const struct sampling *s)
{
    if (!isnan(s->temperature))
        jw_num(w, "temperature", s->temperature);
    if (!isnan(s->top_p))
        jw_num(w, "top_p", s->top_p);
    if (s->top_k >= 0)
        jw_int(w, "top_k", s->top_k);
    if (s->max_tokens > 0)
        jw_int(w, "max_tokens", s->max_tokens);
    if (s->seed >= 0)
        jw_int(w, "seed", s->seed);
    if (!s->n_stop)
        return;
    jw_array(w, "stop");
    for (size_t i = 0; i < s->n_stop; i++)
        jw_str(w, NULL, s->stop[i]);
    jw_end(w);
}

static enum err_code write_line(struct cmd_runner *r, const struct flight *f,
                                struct err *e)
{
    struct jw w;

    buf_clear(&r->line);
    jw_init(&w, &r->line, false);
    jw_object(&w, NULL);
    jw_str(&w, "id", f->id);
    record_request(&w, f->q);
    if (f->q->kind != REQUEST_SCORE)
        write_sampling(&w, &f->q->sampling);
    jw_end(&w);
    buf_char(&r->line, '\n');
    return buf_check(&r->line, "a request", e);
}

/* --- delivering ------------------------------------------------------------ */

/* Frees the flight first: a delivery may bring the next request at once. */
static void deliver(struct cmd_runner *r, struct flight *f,
                    struct response *res)
{
    const struct request *q = f->q;

    res->attempts = f->attempts;
    res->started_ms = f->started_ms;
    res->latency_ns = io_now_ns() - f->sent_ns;
    if (f->seat)
        f->seat->n_flights--;
    *f = (struct flight){ 0 };
    r->x->deliver(r->x->user, q, res);
}

static void give_up(struct cmd_runner *r, struct flight *f, enum err_code code,
                    const char *message)
{
    struct response res = { .code = code,
                            .message = message,
                            .margin = NAN,
                            .prompt_tokens = -1,
                            .cached_tokens = -1,
                            .output_tokens = -1,
                            .first_token_ns = -1 };
    deliver(r, f, &res);
}

/* Waits for another attempt, twice as long each time. */
static bool try_again(struct cmd_runner *r, struct flight *f)
{
    int64_t wait_ms = BACKOFF_MS;

    if (f->attempts > r->retries)
        return false;
    for (int i = 1; i < f->attempts && wait_ms < BACKOFF_MOST_MS; i++)
        wait_ms *= 2;
    if (f->seat)
        f->seat->n_flights--;
    f->seat = NULL;
    f->ready_ns = io_now_ns() + wait_ms * 1000000;
    return true;
}

/* As if it had not been sent. */
static void put_back(struct flight *f)
{
    f->seat->n_flights--;
    f->seat = NULL;
    f->ready_ns = 0;
    f->attempts--;
}

/* Ends the process of a seat; its flights fail or wait.  One that has answered
 * and ended well did not want to take more: no fault of theirs. */
static void clear_seat(struct cmd_runner *r, struct seat *s, enum err_code code,
                       const char *why)
{
    bool ended;
    struct buf how;

    buf_init(&how, 4096);
    buf_printf(&how, "%s %s (", r->words[0], why);
    ended = s->child.ended && !child_rest(&s->child);
    ended = child_end(&s->child, code == ERR_TIMEOUT ? 0 : 100, &how) &&
            ended && s->answered;
    buf_char(&how, ')');
    if (s->n_flights && !ended) {
        r->deaths++;
        snprintf(r->cause, sizeof r->cause, "%s", how.p);
    }
    for (size_t i = 0; i < r->n_flights; i++) {
        struct flight *f = &r->flights[i];
        if (f->seat == s && ended)
            put_back(f);
        else if (f->seat == s && !try_again(r, f))
            give_up(r, f, code, how.p);
    }
    buf_free(&how);
}

/* --- answers --------------------------------------------------------------- */

/* An error's code is one of ours (RATE, REJECTED, FILTERED ...) or the
 * program's own, which is kept and counts as SERVER. */
static enum err_code read_failure(struct cmd_runner *r, const struct json *j,
                                  struct response *res, bool *retry,
                                  struct err *e)
{
    const char *code, *message;

    if (json_get_str(j, "code", &code, e) ||
        json_get_str_or(j, "message", "", &message, e) ||
        json_get_bool_or(j, "retry", false, retry, e))
        return err_wrap(e, "error");
    res->code = err_from_name(code);
    if (res->code == ERR_OK || res->code == ERR_N_CODES) {
        res->code = ERR_SERVER;
        res->vendor_code = arena_strdup(&r->scratch, code);
    }
    res->message = arena_strdup(&r->scratch, message);
    return ERR_OK;
}

static struct flight *find_flight(struct cmd_runner *r, const struct seat *s,
                                  const char *id)
{
    for (size_t i = 0; i < r->n_flights; i++)
        if (r->flights[i].seat == s && strcmp(r->flights[i].id, id) == 0)
            return &r->flights[i];
    return NULL;
}

static enum err_code take_answer(struct cmd_runner *r, struct seat *s,
                                 const struct json *j, struct err *e)
{
    struct response res;
    struct flight *f;
    const char *id;
    bool retry = false;

    if (json_get_str(j, "id", &id, e))
        return e->code;
    f = find_flight(r, s, id);
    if (!f)
        return err_set(e, ERR_FORMAT, "id \"%s\": not what it was asked", id);
    res = (struct response){ .margin = NAN,
                             .prompt_tokens = -1,
                             .cached_tokens = -1,
                             .output_tokens = -1,
                             .first_token_ns = -1 };
    if (json_get(j, "error")
            ? read_failure(r, json_get(j, "error"), &res, &retry, e)
            : record_response(j, f->q, &r->scratch, &res, e))
        return e->code;
    if (r->scratch.failed)
        return err_set(e, ERR_NOMEM, "no memory for an answer");
    r->deaths = 0;
    s->answered = true;
    if (!retry || !try_again(r, f))
        deliver(r, f, &res);
    return ERR_OK;
}

static enum err_code take_line(struct cmd_runner *r, struct seat *s,
                               struct str line, struct err *e)
{
    struct json *j = NULL;
    enum err_code rc;

    if (str_trim(line).n == 0)
        return ERR_OK;
    arena_reset(&r->scratch);
    rc = json_parse(&j, line, e);
    if (!rc)
        rc = take_answer(r, s, j, e);
    else if (text_check(line, NULL))
        err_set(e, rc, "%s: %.*s", e->msg, (int)text_fit(line, SHOWN_CELLS),
                line.p);
    json_free(j);
    return rc;
}

static void take_lines(struct cmd_runner *r, struct seat *s)
{
    struct err e;
    struct str line;
    char why[400];
    bool there = true;
    enum err_code rc = ERR_OK;

    child_exchange(&s->child);
    while (!rc && there) {
        rc = child_line(&s->child, &line, &there, &e);
        if (!rc && there)
            rc = take_line(r, s, line, &e);
    }
    if (rc) {
        snprintf(why, sizeof why,
                 "wrote to its stdout, which is for answers alone, what is "
                 "none: %s",
                 e.msg);
        clear_seat(r, s, ERR_SERVER, why);
    } else if (s->child.ended) {
        clear_seat(r, s, ERR_SERVER,
                   child_rest(&s->child) ? "ended in the middle of a line"
                                         : "ended before it had answered");
    }
}

/* --- asking ---------------------------------------------------------------- */

/* A running process with room, else a seat to start one in; NULL: none. */
static struct seat *find_seat(struct cmd_runner *r)
{
    struct seat *empty = NULL, *best = NULL;

    for (size_t i = 0; i < r->n_seats; i++) {
        struct seat *s = &r->seats[i];
        if (!s->child.pid)
            empty = empty ? empty : s;
        else if (s->n_flights < r->parallel &&
                 (!best || s->n_flights < best->n_flights))
            best = s;
    }
    return best && (!best->n_flights || !empty) ? best : empty;
}

static enum err_code send_flight(struct cmd_runner *r, struct flight *f,
                                 struct seat *s, struct err *e)
{
    if (!s->child.pid) {
        s->answered = false;
        if (child_start(&s->child, r->words, e))
            return e->code;
    }
    snprintf(f->id, sizeof f->id, "%llu", (unsigned long long)++r->last_id);
    if (write_line(r, f, e))
        return e->code;
    f->attempts++;
    f->seat = s;
    f->sent_ns = io_now_ns();
    f->started_ms = io_wall_ms();
    s->n_flights++;
    child_tell(&s->child, buf_view(&r->line));
    return ERR_OK;
}

/* Fills free flights with new requests, and sends what is due. */
static enum err_code fill(struct cmd_runner *r, bool new_ones, struct err *e)
{
    int64_t now = io_now_ns();

    for (size_t i = 0; i < r->n_flights; i++) {
        struct flight *f = &r->flights[i];
        struct seat *s;
        if (f->seat || f->ready_ns > now || !(s = find_seat(r)))
            continue;
        if (!f->q && new_ones)
            f->q = r->x->next(r->x->user);
        if (f->q && send_flight(r, f, s, e))
            return e->code;
        if (!f->q)
            new_ones = false;
    }
    return ERR_OK;
}

static size_t count_flights(const struct cmd_runner *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_flights; i++)
        n += r->flights[i].q != NULL;
    return n;
}

/* --- the loop -------------------------------------------------------------- */

static void wait_for_any(struct cmd_runner *r)
{
    for (size_t i = 0; i < r->n_seats; i++) {
        if (r->seats[i].child.pid)
            child_poll(&r->seats[i].child, r->fds + 3 * i);
        else
            for (size_t k = 0; k < 3; k++)
                r->fds[3 * i + k] = (struct pollfd){ -1, 0, 0 };
    }
    poll(r->fds, (nfds_t)(3 * r->n_seats), TICK_MS);
}

static void check_times(struct cmd_runner *r)
{
    int64_t now = io_now_ns();
    char why[80];

    snprintf(why, sizeof why, "has not answered within %lld ms",
             (long long)(r->timeout_ns / 1000000));
    for (size_t i = 0; i < r->n_flights; i++) {
        struct flight *f = &r->flights[i];
        if (f->seat && now - f->sent_ns > r->timeout_ns)
            clear_seat(r, f->seat, ERR_TIMEOUT, why);
    }
}

/* Flights that only wait for another attempt are not under way: an interrupt
 * leaves them unasked. */
static void drop_waiting(struct cmd_runner *r)
{
    for (size_t i = 0; i < r->n_flights; i++)
        if (!r->flights[i].seat)
            r->flights[i] = (struct flight){ 0 };
}

static enum err_code loop(struct cmd_runner *r, struct err *e)
{
    for (;;) {
        int stop = r->x->stop(r->x->user);
        if (stop)
            drop_waiting(r);
        if (stop > 1)
            break;
        if (fill(r, !stop, e))
            return e->code;
        if (!count_flights(r))
            return stop ? err_set(e, ERR_CANCELLED, "interrupted") : ERR_OK;
        wait_for_any(r);
        for (size_t i = 0; i < r->n_seats; i++)
            if (r->seats[i].child.pid)
                take_lines(r, &r->seats[i]);
        check_times(r);
        if (r->deaths >= MAX_DEATHS)
            return err_set(e, ERR_NOENV, "%d processes without an answer: %s",
                           r->deaths, r->cause);
    }
    return err_set(e, ERR_CANCELLED, "interrupted");
}

static void end_all(struct cmd_runner *r, int64_t grace_ms)
{
    for (size_t i = 0; i < r->n_seats; i++)
        if (r->seats[i].child.pid)
            child_hang_up(&r->seats[i].child);
    for (size_t i = 0; i < r->n_seats; i++)
        if (r->seats[i].child.pid)
            child_end(&r->seats[i].child, grace_ms, NULL);
    memset(r->seats, 0, r->n_seats * sizeof *r->seats);
    memset(r->flights, 0, r->n_flights * sizeof *r->flights);
}

/* A process may end while it is written to; that must not end us. */
static enum err_code cmd_run(struct runner *base, const struct exchange *x,
                             struct err *e)
{
    struct cmd_runner *r = (struct cmd_runner *)base;
    const struct timespec none = { 0 };
    sigset_t broken, before;
    enum err_code rc;

    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    r->x = x;
    r->deaths = 0;
    rc = loop(r, e);
    end_all(r, rc ? 0 : GRACE_MS);
    if (!sigismember(&before, SIGPIPE))
        (void)sigtimedwait(&broken, NULL, &none); /* one is pending at most */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* --- identity -------------------------------------------------------------- */

/* The command line, and what is in the files it names: a changed script is
 * another model. */
static enum err_code cmd_fingerprint(struct runner *base, struct arena *a,
                                     const char **out, struct err *e)
{
    struct cmd_runner *r = (struct cmd_runner *)base;
    char hex[DIGEST_HEX];
    struct digest *d;
    enum err_code rc = digest_open(&d, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < r->n_words && !rc; i++) {
        const char *word = r->words[i];
        digest_field(d, str_of(word));
        if (!io_exists(word) || io_is_dir(word))
            continue;
        rc = digest_file(word, hex, e);
        if (!rc)
            digest_field(d, str_of(hex));
    }
    digest_close(d, hex);
    if (rc)
        return rc;
    *out = arena_printf(a, "cmd:%s", hex);
    return *out ? ERR_OK : err_set(e, ERR_NOMEM, "no memory");
}

static bool cmd_can_score(const struct runner *base, bool chat)
{
    (void)chat;
    return ((const struct cmd_runner *)base)->scores;
}

const struct runner_kind runner_cmd = {
    .name = "cmd",
    .doc = "a program that answers JSON lines: cmd:PROGRAM ARGS",
    .words = true,
    .open = cmd_open,
    .close = cmd_close,
    .run = cmd_run,
    .fingerprint = cmd_fingerprint,
    .can_score = cmd_can_score,
};
