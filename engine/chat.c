/* Chat templates as rows of text.
 *
 * A row says how a system message, a user's and an assistant's turn are
 * written, and what calls for the answer.  In these texts %c stands for the
 * message's content, %s for the system message (in the first user's turn, where
 * the family puts it), %n for the number of the round, from 1.
 *
 * The whole chat is one text with its contents marked, tokenised in one go: the
 * tokens are those of the rendered text, but that control tokens are parsed
 * outside of the contents alone.  BOS is a token, never text; it is put in front
 * where the file or the row says so. */
#include "engine/chat.h"

#include <string.h>

#include "engine/vocab_kind.h"
#include "harness/base/mem.h"

struct chat {
    const char *name;
    const char *marks[4]; /* a template of this row holds all of these */
    const char *dflt;     /* system message when there is none, or NULL */
    const char *system;   /* NULL: goes into the first user's turn */
    const char *first;    /* first user's turn with a system message, then */
    const char *user;     /* needed only if .system is NULL */
    const char *assistant;
    const char *generation;
    bool bos;           /* even if the file does not add it */
    bool trim;          /* white space around the contents goes */
    const char *before; /* opens the chat */
};

#define CHATML                                                                 \
    .system = "<|im_start|>system\n%c<|im_end|>\n",                            \
    .user = "<|im_start|>user\n%c<|im_end|>\n",                                \
    .assistant = "<|im_start|>assistant\n%c<|im_end|>\n",                      \
    .generation = "<|im_start|>assistant\n"
#define LLAMA3_TURN(role)                                                      \
    "<|start_header_id|>" role "<|end_header_id|>\n\n%c<|eot_id|>"
#define GLM4                                                                   \
    .system = "<|system|>\n%c", .user = "<|user|>\n%c",                        \
    .assistant = "<|assistant|>\n%c", .generation = "<|assistant|>"

/* The first row whose marks fit is taken: special cases come first. */
static const struct chat rows[] = {
    { .name = "qwen2.5",
      .marks = { "<|im_start|>", "You are Qwen, created by Alibaba Cloud" },
      .dflt = "You are Qwen, created by Alibaba Cloud. You are a helpful "
              "assistant.",
      CHATML },
    { .name = "smollm2",
      .marks = { "<|im_start|>", "named SmolLM, trained by Hugging Face" },
      .dflt = "You are a helpful AI assistant named SmolLM, trained by "
              "Hugging Face",
      CHATML },
    { .name = "qwen3", .marks = { "<|im_start|>", "enable_thinking" }, CHATML },
    { .name = "qwen3-nothink",
      .system = "<|im_start|>system\n%c<|im_end|>\n",
      .user = "<|im_start|>user\n%c<|im_end|>\n",
      .assistant = "<|im_start|>assistant\n%c<|im_end|>\n",
      .generation = "<|im_start|>assistant\n<think>\n\n</think>\n\n" },
    { .name = "qwen2",
      .marks = { "<|im_start|>", "You are a helpful assistant" },
      .dflt = "You are a helpful assistant.",
      CHATML },
    { .name = "internlm2",
      .marks = { "<|im_start|>", "bos_token" },
      .bos = true,
      CHATML },
    { .name = "chatml", .marks = { "<|im_start|>" }, CHATML },
    { .name = "llama3",
      .marks = { "<|start_header_id|>", "<|eot_id|>" },
      .bos = true,
      .trim = true,
      .system = LLAMA3_TURN("system"),
      .user = LLAMA3_TURN("user"),
      .assistant = LLAMA3_TURN("assistant"),
      .generation = "<|start_header_id|>assistant<|end_header_id|>\n\n" },
    { .name = "llama2",
      .marks = { "[INST]", "<<SYS>>" },
      .bos = true,
      .trim = true,
      .first = "[INST] <<SYS>>\n%s\n<</SYS>>\n\n%c [/INST]",
      .user = "[INST] %c [/INST]",
      .assistant = " %c </s><s>",
      .generation = "" },
    { .name = "gemma",
      .marks = { "<start_of_turn>" },
      .bos = true,
      .trim = true,
      .first = "<start_of_turn>user\n%s\n\n%c<end_of_turn>\n",
      .user = "<start_of_turn>user\n%c<end_of_turn>\n",
      .assistant = "<start_of_turn>model\n%c<end_of_turn>\n",
      .generation = "<start_of_turn>model\n" },
    { .name = "glm4",
      .marks = { "[gMASK]<sop>", "<|user|>" },
      .before = "[gMASK]<sop>",
      GLM4 },
    { .name = "chatglm3",
      .marks = { "[gMASK]sop", "<|user|>" },
      .before = "[gMASK]sop",
      .system = "<|system|>\n %c",
      .user = "<|user|>\n %c",
      .assistant = "<|assistant|>\n %c",
      .generation = "<|assistant|>" },
    { .name = "chatglm2",
      .marks = { "[Round " },
      .before = "[gMASK]sop",
      .first = "%s\n\n[Round %n]\n\n问：%c\n\n",
      .user = "[Round %n]\n\n问：%c\n\n",
      .assistant = "答：%c\n\n",
      .generation = "答：" },
    { .name = "deepseek-v3",
      .marks = { "<｜User｜>", "<｜Assistant｜>" },
      .bos = true,
      .system = "%c",
      .user = "<｜User｜>%c",
      .assistant = "<｜Assistant｜>%c<｜end▁of▁sentence｜>",
      .generation = "<｜Assistant｜>" },
    { .name = "deepseek-coder",
      .marks = { "### Instruction:", "### Response:", "<|EOT|>" },
      .bos = true,
      .dflt = "You are an AI programming assistant, utilizing the Deepseek "
              "Coder model, developed by Deepseek Company, and you only "
              "answer questions related to computer science. For politically "
              "sensitive questions, security and privacy issues, and other "
              "non-computer science questions, you will refuse to answer\n",
      .system = "%c",
      .user = "### Instruction:\n%c\n",
      .assistant = "### Response:\n%c\n<|EOT|>\n",
      .generation = "### Response:\n" },
    { .name = "deepseek-llm",
      .marks = { "User: ", "Assistant:" },
      .bos = true,
      .system = "%c\n\n",
      .user = "User: %c\n\n",
      .assistant = "Assistant: %c<｜end▁of▁sentence｜>",
      .generation = "Assistant:" },
    { .name = "minicpm",
      .marks = { "<用户>", "<AI>" },
      .bos = true,
      .trim = true,
      .system = "%c",
      .user = "<用户>%c<AI>",
      .assistant = "%c",
      .generation = "" },
    { .name = "internlm",
      .marks = { "<|User|>", "<eoh>", "<|Bot|>" },
      .bos = true,
      .system = "<|System|>:%c\n",
      .user = "<|User|>:%c<eoh>\n",
      .assistant = "<|Bot|>:%c<eoa>\n",
      .generation = "<|Bot|>:" },
    { .name = "moss",
      .marks = { "<|Human|>", "<|MOSS|>" },
      .system = "%c",
      .user = "<|Human|>: %c<eoh>\n",
      .assistant = "<|MOSS|>: %c<eom>\n",
      .generation = "<|MOSS|>:" },
    { .name = "plain",
      .system = "%c\n",
      .user = "%c\n",
      .assistant = "%c\n",
      .generation = "" },
};
#define N_ROWS (sizeof rows / sizeof *rows)

const char *chat_name(size_t i)
{
    return i < N_ROWS ? rows[i].name : NULL;
}

static bool fits(const struct chat *c, struct str source)
{
    size_t n = sizeof c->marks / sizeof *c->marks;

    for (size_t i = 0; i < n && c->marks[i]; i++)
        if (str_find(source, str_of(c->marks[i]), 0) == (size_t)-1)
            return false;
    return c->marks[0] != NULL;
}

const char *chat_recognise(struct str source)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (fits(&rows[i], source))
            return rows[i].name;
    return "";
}

static enum err_code unknown(const char *name, struct err *e)
{
    struct buf list;

    buf_init(&list, sizeof e->msg);
    for (size_t i = 0; i < N_ROWS; i++)
        buf_printf(&list, "%s%s", i ? " " : "", rows[i].name);
    if (name)
        err_set(e, ERR_USAGE, "chat template \"%.40s\" is not one of: %s", name,
                list.p);
    else
        err_set(e, ERR_USAGE,
                "the model has no chat template that is recognised; name one "
                "of: %s",
                list.p);
    buf_free(&list);
    return ERR_USAGE;
}

static enum err_code find(const struct vocab *v, const char *name,
                          const struct chat **out, struct err *e)
{
    const char *want = name ? name : vocab_info(v)->chat;

    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, want) == 0) {
            *out = &rows[i];
            return ERR_OK;
        }
    return unknown(name, e);
}

/* --- rendering ------------------------------------------------------------ */

/* A chat on its way to text. */
struct render {
    const struct chat *c;
    struct buf *out;
    struct vocab_span *content; /* where contents stand in out */
    size_t n_content, cap;
    bool failed;
    struct str system; /* still to be put into a user's turn */
    int round;
};

static void put_content(struct render *r, struct str s)
{
    size_t from = r->out->n;

    if (r->c->trim)
        s = str_trim(s);
    buf_text(r->out, s);
    if (!mem_grow(&r->content, &r->cap, r->n_content + 1, sizeof *r->content))
        r->failed = true;
    else if (!r->out->failed)
        r->content[r->n_content++] = (struct vocab_span){ from, r->out->n };
}

static void put(struct render *r, const char *form, const char *content)
{
    for (const char *p = form; *p; p++) {
        if (p[0] != '%') {
            buf_char(r->out, *p);
            continue;
        }
        p++;
        if (*p == 'c')
            put_content(r, str_of(content));
        else if (*p == 's')
            put_content(r, r->system);
        else
            buf_printf(r->out, "%d", r->round);
    }
}

static void put_user(struct render *r, const char *content)
{
    bool first = r->system.p != NULL;

    r->round++;
    put(r, first ? r->c->first : r->c->user, content);
    r->system = (struct str){ NULL, 0 };
}

static enum err_code put_message(struct render *r, size_t i,
                                 const struct mk_message *m, struct err *e)
{
    const char *content = m->content ? m->content : "";
    const char *role = m->role ? m->role : "";

    if (strcmp(role, "user") == 0)
        put_user(r, content);
    else if (strcmp(role, "assistant") == 0)
        put(r, r->c->assistant, content);
    else if (strcmp(role, "system") != 0)
        return err_set(e, ERR_USAGE,
                       "message %zu: role \"%.20s\", expected system, user or "
                       "assistant",
                       i, role);
    else if (r->c->system)
        put(r, r->c->system, content);
    else if (i > 0)
        return err_set(e, ERR_USAGE,
                       "message %zu: chat template \"%s\" takes a system "
                       "message at the start only",
                       i, r->c->name);
    else
        r->system = str_of(content);
    return ERR_OK;
}

static enum err_code render(struct render *r, const struct mk_message *msgs,
                            size_t n_msgs, bool add_generation, struct err *e)
{
    bool system =
        n_msgs > 0 && msgs[0].role && strcmp(msgs[0].role, "system") == 0;
    enum err_code rc = ERR_OK;

    if (r->c->before)
        buf_str(r->out, r->c->before);
    if (r->c->dflt && !system)
        put(r, r->c->system, r->c->dflt);
    for (size_t i = 0; i < n_msgs && !rc; i++)
        rc = put_message(r, i, &msgs[i], e);
    if (!rc && r->system.p)
        rc = err_set(e, ERR_USAGE,
                     "chat template \"%s\": the system message needs a user "
                     "message after it",
                     r->c->name);
    if (rc)
        return rc;
    if (add_generation)
        put(r, r->c->generation, "");
    if (r->failed)
        return err_set(e, ERR_NOMEM, "chat: out of memory");
    return buf_check(r->out, "chat", e);
}

enum err_code chat_text(const struct vocab *v, const char *name,
                        const struct mk_message *msgs, size_t n_msgs,
                        bool add_generation, struct buf *out, struct err *e)
{
    struct render r = { .out = out };
    enum err_code rc = find(v, name, &r.c, e);

    if (!rc)
        rc = render(&r, msgs, n_msgs, add_generation, e);
    mem_free(r.content);
    return rc;
}

enum err_code chat_ids(const struct vocab *v, const char *name,
                       const struct mk_message *msgs, size_t n_msgs,
                       bool add_generation, struct ids *out, struct err *e)
{
    const struct vocab_info *info = vocab_info(v);
    struct buf text;
    struct render r = { .out = &text };
    enum err_code rc = find(v, name, &r.c, e);

    buf_init(&text, (size_t)INT32_MAX / 4);
    if (!rc)
        rc = render(&r, msgs, n_msgs, add_generation, e);
    if (!rc && info->bos >= 0 && (info->add_bos || r.c->bos))
        ids_add(out, info->bos);
    if (!rc)
        rc = vocab_tokenize_mixed(v, buf_view(&text), r.content, r.n_content,
                                  MK_PARSE_SPECIAL, out, e);
    mem_free(r.content);
    buf_free(&text);
    return rc;
}
