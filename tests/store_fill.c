/* Small databases for tests. */
#include "tests/store_fill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/io.h"
#include "tests/t.h"

static struct err err;

struct store *fill_open(const char *path)
{
    struct store *s;

    t_ok(store_open(&s, path, false, &err), &err);
    return s;
}

static void add_item(struct store *s, struct fill *f, const char *suite,
                     size_t i)
{
    char digest[64], id[16], question[64];
    struct store_item it = { .suite = f->suite,
                             .digest = digest,
                             .id = id,
                             .subset = i % 2 ? "odd" : "even",
                             .question = question,
                             .answer = "\"B\"",
                             .choices = "{\"A\":\"甲\",\"B\":\"乙\","
                                        "\"C\":\"丙\",\"D\":\"丁\"}" };

    snprintf(digest, sizeof digest, "%s-item-%zu", suite, i);
    snprintf(id, sizeof id, "%zu", i);
    snprintf(question, sizeof question, "question %zu of %s", i, suite);
    t_ok(store_put_item(s, &it, &f->item[i], &err), &err);
    snprintf(digest, sizeof digest, "%s-prompt-%zu", suite, i);
    t_ok(
        store_put_prompt(s, digest, "{\"kind\":\"chat\"}", &f->prompt[i], &err),
        &err);
}

struct fill fill_make(struct store *s, const char *model, const char *suite,
                      size_t n)
{
    struct fill f = { .n = n };
    char digest[64];
    struct store_model m = { .fingerprint = model,
                             .id = model,
                             .name = "模型",
                             .kind = "replay",
                             .price_in = NAN,
                             .price_out = NAN };
    struct store_suite v = { .id = suite,
                             .version = "1",
                             .digest = digest,
                             .title_zh = "测试",
                             .ability = "基础能力/逻辑与推理",
                             .matcher = "{\"name\":\"choice\"}" };
    struct store_run r = { .command_line = "mokao run",
                           .version = "0",
                           .host = "test",
                           .options_json = "{}",
                           .started_ms = io_wall_ms() };

    ck_assert_uint_le(n, FILL_ITEMS);
    snprintf(digest, sizeof digest, "%s-v1", suite);
    t_ok(store_put_model(s, &m, &f.model, &err), &err);
    t_ok(store_put_suite(s, &v, &f.suite, &err), &err);
    t_ok(store_put_params(s, "greedy", "{\"temperature\":0}", &f.params, &err),
         &err);
    t_ok(store_put_run(s, &r, &f.run, &err), &err);
    for (size_t i = 0; i < n; i++)
        add_item(s, &f, suite, i);
    return f;
}

struct store_sample fill_key(const struct fill *f, size_t i)
{
    return (struct store_sample){ .run = f->run,
                                  .model = f->model,
                                  .item = f->item[i],
                                  .prompt = f->prompt[i],
                                  .params = f->params };
}

int64_t fill_answer(struct store *s, const struct store_sample *k,
                    const char *text, const char *verdict)
{
    struct store_response r = { .text = text,
                                .margin = NAN,
                                .prompt_tokens = 10,
                                .output_tokens = 2,
                                .cached_tokens = -1,
                                .latency_ns = 1000,
                                .first_token_ns = -1,
                                .finish = strcmp(text, "<cut>") == 0 ? "length"
                                                                     : "stop",
                                .attempts = 1 };
    struct store_score c = { .matcher = "choice",
                             .version = 1,
                             .settings_hash = "",
                             .verdict = verdict };
    int64_t id;
    bool added;

    t_ok(store_add_response(s, k, &r, &id, &added, &err), &err);
    if (verdict) {
        c.score = strcmp(verdict, "correct") == 0;
        t_ok(store_put_score(s, id, &c, &err), &err);
    }
    return id;
}

int64_t fill_fail(struct store *s, const struct store_sample *k,
                  const char *code, const char *message)
{
    static int64_t at_ms;
    struct store_error r = { .code = code,
                             .message = message,
                             .http_status = 429,
                             .attempts = 3,
                             .at_ms = ++at_ms };
    int64_t id;

    t_ok(store_add_error(s, k, &r, &id, &err), &err);
    return id;
}

static enum err_code take_int(void *user, const struct store_row *r,
                              struct err *e)
{
    (void)e;
    *(int64_t *)user = row_int(r, 0);
    return ERR_OK;
}

int64_t fill_int(struct store *s, const char *sql)
{
    int64_t out = INT64_MIN;

    t_ok(store_query(s, sql, take_int, &out, &err, ""), &err);
    return out;
}

static char text[4096];

static enum err_code take_text(void *user, const struct store_row *r,
                               struct err *e)
{
    (void)user;
    (void)e;
    snprintf(text, sizeof text, "%s", row_text(r, 0));
    return ERR_OK;
}

const char *fill_text(struct store *s, const char *sql)
{
    text[0] = '\0';
    t_ok(store_query(s, sql, take_text, NULL, &err, ""), &err);
    return text;
}

static enum err_code take_bound(void *user, const struct store_row *r,
                                struct err *e)
{
    (void)e;
    ck_assert(row_null(r, 3) && isnan(row_num(r, 3)));
    snprintf(text, sizeof text, "%.*s|%lld|%g|%s", STR_FMT(row_str(r, 0)),
             (long long)row_int(r, 1), row_num(r, 2), row_text(r, 3));
    /* A query inside a query, with the same text. */
    ck_assert_int_eq(fill_int(user, "SELECT 7"), 7);
    return ERR_OK;
}

const char *fill_bound(struct store *s, const char *string, int64_t i, double d)
{
    t_ok(store_query(s, "SELECT ?, ?, ?, ?", take_bound, s, &err, "sidn",
                     string, i, d),
         &err);
    return text;
}
