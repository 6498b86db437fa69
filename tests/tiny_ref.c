#include "tests/tiny_ref.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/t.h"
#include "tests/tiny.h"

#define SHARED "reference/engine/tiny/"

const char *const ref_models[] = {
    "baichuan-13b",
    "baichuan-13b-40l",
    "baichuan-7b",
    "baichuan-7b-32l",
    "baichuan2-13b",
    "bloom",
    "chatglm1",
    "chatglm2",
    "chatglm3",
    "deepseek-v2",
    "deepseek-v2-lite",
    "deepseek-v2-yarn",
    "deepseek-v3",
    "gemma3",
    "glm4-0414",
    "glm4-9b-chat",
    "gpt2",
    "internlm1",
    "internlm2",
    "llama-linear",
    "llama-mha",
    "llama2-gqa",
    "llama3-rope",
    "minicpm",
    "moss",
    "qwen1",
    "qwen1-ntk",
    "qwen2",
    "qwen2-yarn",
    "qwen2moe",
    "qwen3",
    "qwen3moe",
    "smollm2",
    "yi",
    "qwen2-bf16",
    "qwen2-f16",
    "qwen2-iq4nl",
    "qwen2-iq4xs",
    "qwen2-q2k",
    "qwen2-q3k",
    "qwen2-q40",
    "qwen2-q41",
    "qwen2-q4k",
    "qwen2-q4km",
    "qwen2-q50",
    "qwen2-q51",
    "qwen2-q5k",
    "qwen2-q6k",
    "qwen2-q80",
};
const size_t ref_n_models = sizeof ref_models / sizeof ref_models[0];

static size_t read_ids(const struct json *a, int32_t *out, size_t most)
{
    size_t n = 0;

    for (const struct json *v = json_child(a); v && n < most; v = json_next(v))
        out[n++] = (int32_t)json_number(v);
    return n;
}

bool ref_is_golden(const char *name)
{
    char path[300];

    snprintf(path, sizeof path, TINY "%s.gguf", name);
    return access(path, R_OK) == 0;
}

/* The folder that has the model: ours, or the shared one. */
static bool find_folder(const char *name, char *folder, size_t size)
{
    char file[128];
    const char *shared;

    if (ref_is_golden(name)) {
        snprintf(folder, size, TINY);
        return true;
    }
    snprintf(file, sizeof file, SHARED "%s.gguf", name);
    shared = t_shared(file);
    if (shared)
        snprintf(folder, size, "%.*s",
                 (int)(strlen(shared) - strlen(name) - strlen(".gguf")),
                 shared);
    return shared != NULL;
}

bool ref_open(struct ref *r, const char *name)
{
    char folder[200], path[300];
    struct buf text;
    struct err e;

    if (!find_folder(name, folder, sizeof folder))
        return false;
    snprintf(r->model, sizeof r->model, "%s%s.gguf", folder, name);
    snprintf(path, sizeof path, "%s%s.json", folder, name);
    t_read(path, &text);
    t_ok(json_parse(&r->j, buf_view(&text), &e), &e);
    buf_free(&text);
    ck_assert(read_ids(json_get(r->j, "prompt"), r->prompt, REF_PROMPT) ==
                  REF_PROMPT &&
              read_ids(json_get(r->j, "greedy"), r->greedy, REF_GREEDY) ==
                  REF_GREEDY);
    r->n_vocab = (size_t)json_number(json_get(r->j, "n_vocab"));
    ck_assert_uint_le(r->n_vocab, MAX_VOCAB);
    return true;
}

void ref_close(struct ref *r)
{
    json_free(r->j);
    r->j = NULL;
}
