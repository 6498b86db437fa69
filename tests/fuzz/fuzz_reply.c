/* Any JSON as an answer, an error or an event of any provider of the table:
 * adapters read what they like of it and never more than is there. */
#include <math.h>
#include <stdlib.h>

#include "runners/adapter.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char *options[] = { "A", "B", " 北京" };
static const struct request requests[] = {
    { .kind = REQUEST_CHAT, .sampling = { .max_tokens = 64 } },
    { .kind = REQUEST_COMPLETION, .prompt = "p" },
    { .kind = REQUEST_SCORE,
      .prompt = "p",
      .options = options,
      .n_options = 3 },
};
static const char *no_secrets[16];
static struct providers *table;

static void open_table(void)
{
    struct err e;

    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    if (!table && providers_open(&table, NULL, &e))
        abort();
}

static void read_as(const struct endpoint *ep, const struct request *q,
                    unsigned how, const struct json *j, struct str raw)
{
    double logprobs[3] = { NAN, NAN, NAN };
    int64_t tokens[3] = { 0 };
    const struct adapter *a = adapter_find(ep->provider->shape);
    const struct sse_event ev = { .data = raw };
    struct reply r = { .logprobs = logprobs, .option_tokens = tokens };

    buf_init(&r.text, 1 << 20);
    buf_init(&r.reasoning, 1 << 20);
    if (how == 0 && j)
        a->parse(ep, q, 0, j, &r);
    else if (how == 1 && j && a->event)
        for (int i = 0; i < 3; i++)
            a->event(ep, q, &ev, i < 2 ? j : NULL, &r);
    else
        a->fault(ep, 400, j, raw, &r.fault);
    buf_free(&r.text);
    buf_free(&r.reasoning);
}

/* The first three bytes choose provider, request and way of reading. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct model_spec model = { .path = "m" };
    struct endpoint ep = { .model = &model,
                           .name = "m",
                           .base_url = "http://h/v1",
                           .secrets = no_secrets };
    struct json *j = NULL;
    struct str text;
    struct err e;

    open_table();
    if (size < 3)
        return 0;
    text = (struct str){ (const char *)data + 3, size - 3 };
    ep.provider = providers_at(table, data[0] % providers_count(table));
    if (json_parse(&j, text, &e))
        j = NULL;
    read_as(&ep, &requests[data[1] % 3], data[2] % 3u, j, text);
    json_free(j);
    return 0;
}
