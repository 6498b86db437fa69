/* One answer as it comes: whole or in events, or an error in any clothes.
 *
 * What counts as an answer is decided in one place, reading_end(): a stream
 * needs its finish reason or end mark, a whole body a choice, all of it JSON
 * without ill-formed text.  Everything else is a failure with words. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "harness/base/io.h"
#include "runners/remote.h"

enum { BODY_MOST = 16 << 20, EVENT_MOST = 16 << 20, KEEP = 1 << 20 };

void reading_init(struct reading *r)
{
    *r = (struct reading){ .first_text_ns = -1 };
    buf_init(&r->reply.text, BODY_MOST);
    buf_init(&r->reply.reasoning, BODY_MOST);
    buf_init(&r->body, BODY_MOST);
    sse_init(&r->stream, FRAME_WHOLE, EVENT_MOST);
}

void reading_free(struct reading *r)
{
    buf_free(&r->reply.text);
    buf_free(&r->reply.reasoning);
    buf_free(&r->body);
    sse_free(&r->stream);
}

/* Empties b; what grew beyond the usual is given back. */
static void renew(struct buf *b)
{
    size_t limit = b->limit;

    if (b->cap > KEEP) {
        buf_free(b);
        buf_init(b, limit);
    }
    buf_clear(b);
}

void reading_start(struct reading *r, const struct remote *m,
                   const struct endpoint *ep, const struct request *q,
                   size_t call, enum framing framing)
{
    struct reply *y = &r->reply;

    r->model = m;
    r->endpoint = ep;
    r->request = q;
    r->call = call;
    r->framing = framing;
    r->whole = r->decided = framing == FRAME_WHOLE;
    r->status = 0;
    r->first_text_ns = -1;
    r->next_id = -1;
    r->n_events = 0;
    r->failure = (struct failure){ .retry_ns = -1 };
    pace_hint_init(&r->hint);
    renew(&y->text);
    renew(&y->reasoning);
    renew(&r->body);
    sse_free(&r->stream);
    sse_init(&r->stream, framing, EVENT_MOST);
    y->finish = FINISH_OTHER;
    y->finished = y->refused = false;
    y->prompt_tokens = y->cached_tokens = y->output_tokens = -1;
    y->events = 0;
    y->fault = (struct fault){ .retry_ms = -1 };
}

/* --- headers --------------------------------------------------------------- */

static bool name_is(struct str name, const char *s)
{
    return name.n == strlen(s) && strncasecmp(name.p, s, name.n) == 0;
}

void reading_header(struct reading *r, struct str name, struct str value)
{
    char number[4] = "";

    if (name_is(name, ":status")) {
        memcpy(number, value.p, value.n < 3 ? value.n : 3);
        r->status = 0;
        for (const char *p = number; *p >= '0' && *p <= '9'; p++)
            r->status = r->status * 10 + (*p - '0');
        pace_hint_init(&r->hint);
        return;
    }
    /* An error or a gateway's page is whole, whatever was asked for. */
    if (name_is(name, "content-type") && r->framing == FRAME_SSE &&
        str_find(value, STR("event-stream"), 0) == (size_t)-1 &&
        (str_find(value, STR("json"), 0) != (size_t)-1 ||
         str_find(value, STR("html"), 0) != (size_t)-1))
        r->whole = r->decided = true;
    pace_header(&r->hint, name, value, r->endpoint->now_ms);
}

/* --- streams --------------------------------------------------------------- */

static bool failed(const struct reading *r)
{
    return r->failure.class != FAULT_NONE;
}

static void broken(struct reading *r, const char *what, const char *why)
{
    failure_words(&r->failure, FAULT_RETRY, "%s%s%s", what, why ? ": " : "",
                  why ? why : "");
    r->failure.code = ERR_SERVER;
}

/* The number of an event's id, -1: it is none. */
static int64_t id_number(struct str id)
{
    int64_t n = 0;

    if (id.n < 1 || id.n > 9)
        return -1;
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] < '0' || id.p[i] > '9')
            return -1;
        n = n * 10 + (id.p[i] - '0');
    }
    return n;
}

static uint64_t hash_of(struct str s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h;
}

/* Whether the event is one more.  Ids that start at 0 or 1 count the events:
 * one that was there is a repetition, a gap is a loss.  Other ids (the answer's
 * own, the same in every event) say nothing; neither do those that stay while
 * the data changes, as an id holds until the next one (WHATWG). */
static bool is_new(struct reading *r, const struct sse_event *ev)
{
    int64_t id = id_number(ev->id);
    uint64_t hash = hash_of(ev->data), before = r->last_hash;

    r->last_hash = hash;
    if (r->n_events == 0 && (id == 0 || id == 1))
        r->next_id = id;
    if (r->next_id < 0 || id < 0)
        return true;
    if (id < r->next_id) {
        if (id < r->next_id - 1 || hash == before)
            return false;
        r->next_id = -1;
        return true;
    }
    if (id > r->next_id)
        broken(r, "events of the stream are missing or out of order", NULL);
    r->next_id = id + 1;
    return !failed(r);
}

static enum err_code on_event(void *user, const struct sse_event *ev,
                              struct err *e)
{
    struct reading *r = user;
    struct json *data = NULL;
    bool end_mark = str_eq(str_trim(ev->data), STR("[DONE]"));
    struct err why;

    if (failed(r) || str_trim(ev->data).n == 0 || !is_new(r, ev))
        return failed(r) ? err_set(e, ERR_SERVER, "broken") : ERR_OK;
    r->n_events++;
    if (!end_mark && json_parse(&data, ev->data, &why)) {
        broken(r, "an event of the stream is no JSON", why.msg);
        return err_set(e, ERR_SERVER, "broken");
    }
    r->model->adapter->event(r->endpoint, r->request, ev, data, &r->reply);
    json_free(data);
    r->reply.finished = r->reply.finished || end_mark;
    if (r->reply.fault.class != FAULT_NONE) {
        failure_of_fault(&r->failure, r->status, &r->reply.fault);
        return err_set(e, ERR_SERVER, "fault");
    }
    return ERR_OK;
}

/* A body that begins as no event can: an answer or error after all. */
static bool looks_whole(const struct reading *r, struct str piece)
{
    struct str s = str_trim(piece);

    if (r->status >= 300)
        return true;
    return s.n && (s.p[0] == '<' || (r->framing == FRAME_SSE &&
                                     (s.p[0] == '{' || s.p[0] == '[')));
}

static void feed(struct reading *r, struct str piece)
{
    struct err e;

    if (sse_feed(&r->stream, piece, on_event, r, &e) && !failed(r))
        broken(r, "the stream cannot be read", e.msg);
}

bool reading_piece(struct reading *r, struct str piece)
{
    if (!r->decided && (r->status >= 300 || str_trim(piece).n)) {
        r->whole = looks_whole(r, piece);
        r->decided = true;
    }
    if (r->whole) {
        buf_add(&r->body, piece.p, piece.n);
        if (r->body.failed)
            broken(r, "the answer is too large", NULL);
        return !failed(r);
    }
    feed(r, piece);
    if (r->first_text_ns < 0 && (r->reply.text.n || r->reply.reasoning.n))
        r->first_text_ns = io_now_ns();
    return !failed(r) && !(r->framing == FRAME_SOCKET && r->reply.finished);
}

/* --- whole bodies ---------------------------------------------------------- */

/* The beginning of a body that has no words of its own to tell. */
static void words_of_body(struct reading *r)
{
    struct str s = str_trim(buf_view(&r->body));
    char *w = r->failure.words;

    if (r->failure.words[0] || s.n == 0)
        return;
    if (s.p[0] == '<') {
        snprintf(w, sizeof r->failure.words, "an HTML page");
        return;
    }
    if (!text_check(s, NULL) || memchr(s.p, '\0', s.n)) {
        snprintf(w, sizeof r->failure.words, "a body that is no text");
        return;
    }
    s.n = text_whole(str_sub(s, 0, s.n < 120 ? s.n : 120));
    for (size_t i = 0; i < s.n; i++)
        w[i] = (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i];
    w[s.n] = '\0';
}

static void obey(struct reading *r)
{
    struct failure *f = &r->failure;

    if (r->hint.should_retry == 0 &&
        (f->class == FAULT_RETRY || f->class == FAULT_RATE))
        f->final = true;
    if (r->hint.should_retry == 1 && f->class == FAULT_ITEM)
        f->class = FAULT_RETRY;
    if (r->hint.retry_ns > f->retry_ns)
        f->retry_ns = r->hint.retry_ns;
}

static void read_error(struct reading *r)
{
    struct fault fault = { .retry_ms = -1 };
    const struct adapter *a = r->model->adapter;
    const struct provider *p = r->model->provider;
    struct json *body = NULL;
    struct err e;

    if (json_parse(&body, buf_view(&r->body), &e))
        body = NULL;
    a->fault(r->endpoint, r->status, body, buf_view(&r->body), &fault);
    json_free(body);
    if (fault.class == FAULT_NONE)
        fault.class = provider_fault(p, r->status, fault.code);
    if (fault.class == FAULT_NONE)
        fault.class = FAULT_RETRY;
    failure_of_fault(&r->failure, r->status, &fault);
    words_of_body(r);
}

static void read_redirect(struct reading *r, const char *place)
{
    /* For good, or just now: a gateway that is being moved. */
    bool good = r->status == 301 || r->status == 308;

    failure_words(&r->failure, good ? FAULT_FATAL : FAULT_RETRY,
                  "redirects to %s, where the key is not sent; set the base "
                  "URL if that is the right place",
                  place ? place : "an unnamed place");
    r->failure.code = good ? ERR_REJECTED : ERR_SERVER;
}

static void read_whole(struct reading *r)
{
    struct reply *y = &r->reply;
    struct str body = buf_view(&r->body);
    struct json *j;
    struct err e;

    if (str_trim(body).n == 0) {
        broken(r, "an empty body", NULL);
    } else if (str_trim(body).p[0] == '<') {
        broken(r, "an HTML page instead of an answer", NULL);
    } else if (json_parse(&j, body, &e)) {
        broken(r, "the answer is no JSON", e.msg);
    } else {
        r->model->adapter->parse(r->endpoint, r->request, r->call, j, y);
        json_free(j);
        if (y->fault.class != FAULT_NONE) {
            failure_of_fault(&r->failure, r->status, &y->fault);
            words_of_body(r);
        } else if (!y->finished && !y->text.n && !y->reasoning.n &&
                   r->request->kind != REQUEST_SCORE) {
            broken(r, "an answer without a choice", NULL);
        }
    }
}

static void end_stream(struct reading *r)
{
    struct err e;

    if (failed(r) || r->whole)
        return;
    if (sse_end(&r->stream, on_event, r, &e) && !failed(r))
        broken(r, "the stream cannot be read", e.msg);
}

/* --- the end --------------------------------------------------------------- */

static void check_text(struct reading *r)
{
    struct reply *y = &r->reply;

    if (failed(r))
        return;
    if (y->text.failed || y->reasoning.failed)
        broken(r, "the answer is too large", NULL);
    else if (!text_check(buf_view(&y->text), NULL) ||
             !text_check(buf_view(&y->reasoning), NULL))
        broken(r, "the answer is no UTF-8", NULL);
    else if (memchr(y->text.p, '\0', y->text.n))
        broken(r, "the answer holds NUL characters", NULL);
}

static void judge_end(struct reading *r, const struct http_result *h,
                      bool streamed)
{
    if (h->status >= 300 && h->status < 400)
        read_redirect(r, h->redirect);
    else if (h->status >= 400)
        read_error(r); /* even when cut off: its status tells enough */
    else if (h->end != HTTP_DONE)
        failure_of_http(&r->failure, h);
    else if (streamed)
        broken(r, "the stream ended before the answer did", NULL);
    else
        read_whole(r);
}

void reading_end(struct reading *r, const struct http_result *h)
{
    bool streamed = !r->whole && r->status < 300;

    if (h->status)
        r->status = h->status;
    if (streamed && h->end == HTTP_DONE)
        end_stream(r);
    /* A fault that was found on the way stays; a stream that has said its end
     * is whole, however the connection ended. */
    if (!failed(r) && !(streamed && r->reply.finished))
        judge_end(r, h, streamed);
    check_text(r);
    r->failure.status = r->status == 101 ? 0 : r->status;
    if (failed(r))
        obey(r);
    else
        reading_split_thoughts(&r->reply);
}

void reading_split_thoughts(struct reply *r)
{
    struct str text = buf_view(&r->text), rest = text, thought;
    size_t end;

    while (rest.n && strchr(" \t\r\n", rest.p[0]))
        rest = str_sub(rest, 1, rest.n);
    if (!str_starts(rest, STR("<think>")))
        return;
    thought = str_sub(rest, 7, rest.n);
    end = str_find(thought, STR("</think>"), 0);
    rest = end == (size_t)-1 ? STR("")
                             : str_trim(str_sub(thought, end + 8, thought.n));
    buf_text(
        &r->reasoning,
        str_trim(str_sub(thought, 0, end == (size_t)-1 ? thought.n : end)));
    memmove(r->text.p, rest.p, rest.n);
    r->text.n = rest.n;
    r->text.p[rest.n] = '\0';
}
