/* Any bytes as the body of a request: refused with a reason, or asks that are
 * within the limits.  The first byte says which route they came by. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/serve/serve_openai.h"

static struct mk_model *model;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_asks(const struct api_call *c)
{
    assert(c->order.n > 0 && c->order.n <= c->model->room);
    for (size_t i = 0; i < c->order.n; i++) {
        const struct ask *a = &c->order.asks[i];

        assert(a->n_prompt > 0);
        assert(a->n_prompt + a->max_tokens <= c->model->context);
        assert(a->n_top <= MARKS_MAX_TOP);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mk_model_params params = { .device = "ref",
                                                   .n_threads = 1 };
    struct api_model m = {
        .id = "m", .template = "plain", .context = 512, .room = 64
    };
    struct api_call c = { 0 };
    struct api_error x = { 0 };
    struct str body;
    bool ok;

    if (!model &&
        mk_model_open(&model, "tests/golden/tiny/qwen2.gguf", &params, NULL))
        return 0;
    if (size == 0)
        return 0;
    m.model = model;
    body = (struct str){ (const char *)data + 1, size - 1 };
    if (data[0] & 2)
        ok = api_read_tokens(&c, data[0] & 1, body, &m, &x);
    else if ((ok = api_read(&c, data[0] & 1, body, &m, 1, &x)))
        check_asks(&c);
    assert(ok || (x.status >= 400 && x.message[0]));
    api_call_free(&c);
    return 0;
}
