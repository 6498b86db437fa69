/* Any bytes as a file's template, and as the messages of a chat in any of the
 * known templates: ids in range, and as many control tokens as with harmless
 * messages, whatever the contents spell.  The first three bytes choose the
 * vocabulary, the template and the roles; messages end in a byte 1. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/chat.h"
#include "engine/engine.h"
#include "engine/gguf.h"

#define N_VOCABS 3
#define MOST 5 /* messages */
static struct gguf *file[N_VOCABS];
static struct vocab *vocab[N_VOCABS];
static const char *const path[N_VOCABS] = {
    "tests/golden/tiny/qwen2.gguf",
    "tests/golden/tiny/llama2-gqa.gguf",
    "tests/golden/tiny/glm4-0414.gguf",
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < N_VOCABS; i++)
        if (gguf_open(&file[i], path[i], NULL) ||
            vocab_open(&vocab[i], file[i], NULL))
            abort();
    return 0;
}

/* Cuts text in place; roles by two bits each. */
static size_t cut(char *text, unsigned roles, struct mk_message *m)
{
    static const char *const names[] = { "user", "assistant", "system",
                                         "user" };
    size_t n = 0;

    for (char *next = text; next && n < MOST; n++, roles >>= 2) {
        m[n] = (struct mk_message){ names[roles & 3], next };
        next = strchr(next, 1);
        if (next)
            *next++ = '\0';
    }
    return n;
}

static size_t control_tokens(const struct vocab *v, const struct ids *ids)
{
    size_t n = 0;

    for (size_t i = 0; i < ids->n; i++) {
        if (!vocab_piece(v, ids->p[i]).p)
            abort();
        n += vocab_is_control(v, ids->p[i]);
    }
    return n;
}

static const char *template_of(size_t i)
{
    size_t n = 0;

    while (chat_name(n))
        n++;
    return chat_name(i % n);
}

static void try_chat(const struct vocab *v, const char *name,
                     struct mk_message *m, size_t n)
{
    struct ids ids = { 0 }, plain = { 0 };
    struct buf text;

    buf_init(&text, 1 << 24);
    if (chat_ids(v, name, m, n, true, &ids, NULL) == ERR_OK) {
        if (chat_text(v, name, m, n, true, &text, NULL))
            abort();
        for (size_t i = 0; i < n; i++)
            m[i].content = "x";
        if (chat_ids(v, name, m, n, true, &plain, NULL) ||
            control_tokens(v, &ids) != control_tokens(v, &plain))
            abort();
    }
    buf_free(&text);
    ids_free(&ids);
    ids_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct mk_message m[MOST];
    char *text;

    chat_recognise((struct str){ (const char *)data, n });
    if (n < 3)
        return 0;
    text = malloc(n - 2);
    if (!text)
        return 0;
    memcpy(text, data + 3, n - 3);
    text[n - 3] = '\0';
    try_chat(vocab[data[0] % N_VOCABS], template_of(data[1]), m,
             cut(text, data[2], m));
    free(text);
    return 0;
}
