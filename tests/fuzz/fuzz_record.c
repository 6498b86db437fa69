/* Any bytes as recorded exchanges: each line is refused with a reason or is
 * written back as it was read; the replay runner opens the file or says why
 * not, and answers what is in it. */
#include <math.h>

#include "runners/record.h"
#include "tests/fuzz/fuzz.h"

static void try_line(struct str line, struct arena *a)
{
    struct err e = { .msg = "" };
    struct request q;
    struct response r;
    struct buf once, twice;

    if (record_read(line, a, &q, &r, &e)) {
        must(e.msg[0] != '\0', "a refusal has a reason");
        return;
    }
    buf_init(&once, 1 << 24);
    buf_init(&twice, 1 << 24);
    must(!record_write(&q, &r, &once, &e), "what was read can be written");
    must(!record_read(str_trim(buf_view(&once)), a, &q, &r, &e),
         "what was written can be read");
    must(!record_write(&q, &r, &twice, &e), "and written again");
    must(str_eq(buf_view(&once), buf_view(&twice)), "as it was");
    buf_free(&once);
    buf_free(&twice);
}

struct asked {
    const struct request *request; /* NULL: it has been handed out */
    size_t answered;
};

static const struct request *next(void *user)
{
    struct asked *a = user;
    const struct request *q = a->request;

    a->request = NULL;
    return q;
}

static void deliver(void *user, const struct request *q,
                    const struct response *r)
{
    (void)q;
    must(r->code || r->text || r->logprobs, "an answer has one");
    ((struct asked *)user)->answered++;
}

static int go_on(void *user)
{
    (void)user;
    return 0;
}

static void try_replay(const char *path, const struct request *q)
{
    struct model_spec m = { .id = "r", .kind = "replay", .path = path };
    struct runner_params p = { .threads = 1 };
    struct asked asked = { q, 0 };
    struct exchange x = { next, deliver, go_on, &asked };
    struct err e = { .msg = "" };
    struct runner *r;

    if (runner_open(&r, &m, &p, &e)) {
        must(e.msg[0] != '\0', "a refusal has a reason");
        return;
    }
    must(!runner_run(r, &x, &e) && asked.answered == 1, "one answer");
    runner_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct io_lines l = { .rest = fuzz_text(data, size) };
    static const struct message message = { "user", "你好" };
    struct request q = { .kind = REQUEST_CHAT,
                         .messages = &message,
                         .n_messages = 1 };
    struct arena a;

    arena_init(&a, 0);
    while (io_next_line(&l))
        try_line(l.line, &a);
    try_replay(fuzz_file(&a, "record.jsonl", fuzz_text(data, size)), &q);
    arena_free(&a);
    return 0;
}
