/* Item + few-shot examples + template -> request.
 *
 * A request is a row of blocks, one for each example and one for the item:
 *
 *   chat                          plain text
 *   user:      intro, body        intro, body, answer
 *   assistant: answer             body, answer
 *   user:      body               body
 *
 * A body is context, question, choices and a cue.  The intro stands above the
 * first block and where the kind of question changes, so that an exam shows it
 * once and all its items share everything before their own question.  Answers
 * go on from the cue by one space in plain text, because most tokenizers have
 * " B" as one token behind a colon; but Chinese texts without. */
#include "harness/prompt.h"

#include <string.h>

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/prompt_words.h"

#define MAX_PROMPT ((size_t)64 << 20)

/* --- what is to be shown --------------------------------------------------- */

struct render {
    const struct suite *s;
    const struct item *it;
    const struct prompt_params *p;
    const struct prompt_words *w;
    struct arena *a;
    const struct item **shots;
    size_t n_shots;
    bool plain;
    struct message *messages; /* of a chat, with room for all */
    size_t n_messages;
    struct err *e;
};

static enum err_code no_memory(struct render *r)
{
    return err_set(r->e, ERR_NOMEM, "no memory for a prompt");
}

/* The text of the choice with that key, or the answer as it is. */
static const char *text_of_choice(const struct item *it, const char *answer)
{
    for (size_t i = 0; answer && i < it->n_choices; i++)
        if (strcmp(it->choices[i].key, answer) == 0)
            return it->choices[i].text;
    return answer;
}

/* The answer as an example shows it: a text, or the first of those accepted;
 * *out NULL for a matcher's own object. */
static enum err_code shown_answer(struct render *r, const struct item *it,
                                  const char **out)
{
    struct json *j = NULL;
    const struct json *m;
    enum err_code rc;

    *out = NULL;
    if (!it->answer || it->answer[0] == '{')
        return ERR_OK;
    rc = json_parse(&j, str_of(it->answer), r->e);
    if (rc)
        return rc;
    m = json_type(j) == JSON_ARRAY ? json_child(j) : j;
    *out = arena_strdup(r->a, json_string(m));
    json_free(j);
    return *out ? ERR_OK : no_memory(r);
}

static enum err_code pick_shots(struct render *r)
{
    const struct suite *s = r->s;

    r->n_shots = 0;
    if (r->p->shots == 0 || r->it->n_turns > 0)
        return ERR_OK;
    r->shots = arena_array(r->a, s->n_dev + 1, sizeof(struct item *));
    if (!r->shots)
        return no_memory(r);
    for (size_t i = 0; i < s->n_dev && r->n_shots < r->p->shots; i++) {
        const struct item *d = &s->dev[i];
        if (strcmp(d->subset, r->it->subset) == 0 && d->answer &&
            d->answer[0] != '{')
            r->shots[r->n_shots++] = d;
    }
    if (r->n_shots == r->p->shots)
        return ERR_OK;
    return err_set(r->e, ERR_USAGE,
                   "suite %s%s%s has %zu few-shot examples, %zu are asked for",
                   s->id, *r->it->subset ? "/" : "", r->it->subset, r->n_shots,
                   r->p->shots);
}

/* Whether exactly one choice is right, so that options can be compared. */
static enum err_code one_is_right(struct render *r, bool *out)
{
    const char *answer;
    enum err_code rc;

    *out = false;
    if (r->it->n_choices == 0 || r->it->answer[0] != '"')
        return ERR_OK;
    rc = shown_answer(r, r->it, &answer);
    for (size_t i = 0; !rc && i < r->it->n_choices; i++)
        *out |= strcmp(r->it->choices[i].key, answer) == 0;
    return rc;
}

/* How options would be scored: some templates are plain text by themselves. */
static bool asks_text(const struct render *r)
{
    return r->p->completion || r->w->plain;
}

static bool can_score(const struct render *r)
{
    return asks_text(r) ? r->p->score_text : r->p->score_chat;
}

static enum err_code decide_kind(struct render *r, enum request_kind *kind)
{
    enum ask ask = r->p->ask;
    bool fit;
    enum err_code rc;

    *kind = r->p->completion ? REQUEST_COMPLETION : REQUEST_CHAT;
    if (ask == ASK_GENERATE || r->it->n_choices == 0)
        return ERR_OK;
    if (ask == ASK_AUTO && (r->w->think || !can_score(r)))
        return ERR_OK;
    if (!can_score(r))
        return err_set(r->e, ERR_USAGE,
                       "this model cannot score options by log-likelihood "
                       "%s: ask by generation%s",
                       asks_text(r) ? "in plain text" : "in a chat",
                       r->p->score_text ? ", or in plain text (--completion)"
                                        : "");
    if (r->w->think)
        return err_set(r->e, ERR_USAGE,
                       "template %s reasons first, so its options cannot be "
                       "scored: ask by generation or by another template",
                       r->w->head.name);
    rc = one_is_right(r, &fit);
    if (!rc && fit)
        *kind = REQUEST_SCORE;
    return rc;
}

/* --- texts ----------------------------------------------------------------- */

static void add_titled(struct buf *b, const char *text, const char *title)
{
    const char *at = strstr(text, "{}");

    buf_add(b, text, (size_t)(at - text));
    buf_str(b, title);
    buf_str(b, at + 2);
}

/* 甲 and ① are no letters: what speaks of letters has other words for them. */
static bool has_letters(const struct item *it)
{
    char c = it->choices[0].key[0];

    return c >= 'A' && c <= 'Z';
}

static void add_intro(const struct render *r, const struct item *it,
                      struct buf *b)
{
    const struct subset_title *t = suite_subset_title(r->s, r->it->subset);
    const char *title = t ? (r->w->english ? t->en : t->zh) : NULL;
    bool other = r->w->other && !has_letters(it);
    const char *titled = other ? r->w->other_titled : r->w->intro_titled;

    if (title && titled)
        add_titled(b, titled, title);
    else
        buf_str(b, other ? r->w->other : r->w->intro);
    buf_str(b, "\n\n");
}

/* What the answer goes on from: always in plain text, in a chat after choices
 * where a letter alone is wanted. */
static void add_cue(const struct render *r, const struct item *it,
                    struct buf *b)
{
    const struct prompt_words *w = r->w;
    const char *cue = it->n_choices ? w->cue : w->reply;

    if (w->think)
        cue = w->english ? "Reasoning:" : "分析：";
    if (r->plain || (it->n_choices && w->intro && !w->think)) {
        buf_char(b, '\n');
        buf_str(b, cue);
    }
}

/* The passage an item is about. */
static void add_context(const struct item *it, struct buf *b)
{
    if (it->context)
        buf_printf(b, "%s\n\n", it->context);
}

static void add_body(const struct render *r, const struct item *it,
                     struct buf *b)
{
    add_context(it, b);
    if (r->plain && (it->n_choices == 0 || r->w->texts))
        buf_str(b, r->w->label);
    buf_str(b, it->question);
    for (size_t i = 0; i < it->n_choices && !r->w->texts; i++) {
        buf_char(b, '\n');
        buf_str(b, it->choices[i].key);
        buf_str(b, ". ");
        buf_str(b, it->choices[i].text);
    }
    if (r->w->think) {
        buf_char(b, '\n');
        buf_str(b, r->w->think);
    }
    add_cue(r, it, b);
}

/* An example's answer, after its explanation when reasoning is wanted. */
static enum err_code add_answer(struct render *r, const struct item *it,
                                struct buf *b)
{
    const char *answer;
    enum err_code rc = shown_answer(r, it, &answer);

    if (rc)
        return rc;
    if (r->w->think) {
        if (it->explanation) {
            buf_str(b, it->explanation);
            buf_char(b, '\n');
        }
        buf_str(b, r->w->english ? "Answer: " : "答案：");
    }
    buf_str(b, r->w->texts ? text_of_choice(it, answer) : answer);
    return ERR_OK;
}

/* Block i is an example, or the item behind all of them. */
static const struct item *block(const struct render *r, size_t i)
{
    return i < r->n_shots ? r->shots[i] : r->it;
}

static void add_question(const struct render *r, size_t i, struct buf *b)
{
    const struct item *it = block(r, i);
    bool changed = i == 0 || block(r, i - 1)->n_choices == 0;

    if (r->w->intro && it->n_choices && changed)
        add_intro(r, it, b);
    add_body(r, it, b);
}

/* Moves the text into the arena. */
static enum err_code take(struct render *r, struct buf *b, const char **out)
{
    enum err_code rc = buf_check(b, "a prompt", r->e);

    if (!rc && !(*out = arena_dup(r->a, b->p, b->n)))
        rc = no_memory(r);
    buf_clear(b);
    return rc;
}

/* Between cue and answer in plain text: a Chinese text needs none. */
static const char *gap(const struct render *r)
{
    return r->w->texts && !r->w->english ? "" : " ";
}

static enum err_code render_text(struct render *r, size_t turn,
                                 const char *const *replies, struct buf *b)
{
    enum err_code rc = ERR_OK;

    if (r->it->system)
        buf_printf(b, "%s\n\n", r->it->system);
    if (r->it->n_turns)
        add_context(r->it, b);
    for (size_t i = 0; i <= turn && r->it->n_turns; i++) {
        buf_printf(b, "%s%s\n%s", r->w->label, r->it->turns[i].question,
                   r->w->reply);
        if (i < turn)
            buf_printf(b, " %s\n\n", replies[i]);
    }
    for (size_t i = 0; i <= r->n_shots && !r->it->n_turns && !rc; i++) {
        add_question(r, i, b);
        if (i == r->n_shots)
            break;
        buf_str(b, gap(r));
        rc = add_answer(r, r->shots[i], b);
        buf_str(b, "\n\n");
    }
    return rc;
}

/* --- chats ----------------------------------------------------------------- */

static enum err_code push(struct render *r, const char *role, struct buf *b)
{
    struct message *m = &r->messages[r->n_messages++];

    m->role = role;
    return take(r, b, &m->content);
}

/* Many models know one system message only, so both share it. */
static void add_system(const struct render *r, struct buf *b)
{
    const char *own = r->it->system, *general = r->p->system;

    if (general)
        buf_str(b, general);
    if (general && own)
        buf_str(b, "\n\n");
    if (own)
        buf_str(b, own);
}

static enum err_code push_turns(struct render *r, size_t turn,
                                const char *const *replies, struct buf *b)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i <= turn && !rc; i++) {
        if (i == 0)
            add_context(r->it, b);
        buf_str(b, r->it->turns[i].question);
        rc = push(r, "user", b);
        if (rc || i == turn)
            break;
        buf_str(b, replies[i]);
        rc = push(r, "assistant", b);
    }
    return rc;
}

static enum err_code push_blocks(struct render *r, struct buf *b)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i <= r->n_shots && !rc; i++) {
        add_question(r, i, b);
        rc = push(r, "user", b);
        if (rc || i == r->n_shots)
            break;
        rc = add_answer(r, r->shots[i], b);
        if (!rc)
            rc = push(r, "assistant", b);
    }
    return rc;
}

static enum err_code render_chat(struct render *r, size_t turn,
                                 const char *const *replies, struct buf *b)
{
    size_t room = 2 + 2 * (r->n_shots + turn);
    enum err_code rc = ERR_OK;

    r->messages = arena_array(r->a, room, sizeof *r->messages);
    if (!r->messages)
        return no_memory(r);
    add_system(r, b);
    if (b->n > 0)
        rc = push(r, "system", b);
    if (rc)
        return rc;
    return r->it->n_turns ? push_turns(r, turn, replies, b) : push_blocks(r, b);
}

/* --- requests -------------------------------------------------------------- */

static enum err_code add_options(struct render *r, struct request *q)
{
    const struct item *it = r->it;

    q->n_options = it->n_choices;
    q->options = arena_array(r->a, it->n_choices, sizeof *q->options);
    for (size_t i = 0; q->options && i < it->n_choices; i++)
        q->options[i] = arena_printf(r->a, "%s%s", r->plain ? gap(r) : "",
                                     r->w->texts ? it->choices[i].text
                                                 : it->choices[i].key);
    return r->a->failed ? no_memory(r) : ERR_OK;
}

/* Without a chat a model goes on and writes the next example; it is stopped
 * where examples have shown it that an answer ends so. */
static enum err_code add_stop(struct render *r, struct request *q)
{
    struct sampling *s = &q->sampling;
    const char **stop;

    if (q->kind != REQUEST_COMPLETION || r->w->think || r->n_shots == 0)
        return ERR_OK;
    stop = arena_array(r->a, s->n_stop + 1, sizeof *stop);
    if (!stop)
        return no_memory(r);
    if (s->n_stop)
        memcpy(stop, s->stop, s->n_stop * sizeof *stop);
    stop[s->n_stop++] = "\n\n";
    s->stop = stop;
    return ERR_OK;
}

static enum err_code find_template(struct render *r)
{
    const char *name = r->p->template ? r->p->template : r->s->template;
    const char *near = "";

    r->w = prompt_words_find(name);
    if (r->w)
        return ERR_OK;
    (void)prompt_template_find(name, &near);
    return err_set(r->e, ERR_USAGE, "template: no \"%s\"; did you mean \"%s\"?",
                   name, near);
}

static enum err_code fill(struct render *r, size_t turn,
                          const char *const *replies, struct request *q)
{
    struct buf b;
    enum err_code rc;

    buf_init(&b, MAX_PROMPT);
    rc = r->plain ? render_text(r, turn, replies, &b)
                  : render_chat(r, turn, replies, &b);
    q->messages = r->messages;
    q->template = r->plain ? NULL : r->p->chat;
    q->n_messages = r->n_messages;
    if (!rc && r->plain)
        rc = take(r, &b, &q->prompt);
    if (!rc && q->kind == REQUEST_SCORE)
        rc = add_options(r, q);
    if (!rc)
        rc = add_stop(r, q);
    buf_free(&b);
    return rc;
}

/* Eight parameters: what a prompt depends on is told one by one. */
/* NOLINTNEXTLINE(readability-function-size) */
enum err_code prompt_render(const struct suite *s, const struct item *it,
                            const struct prompt_params *p, size_t turn,
                            const char *const *replies, struct arena *a,
                            struct request *out, struct err *e)
{
    struct render r = { .s = s, .it = it, .p = p, .a = a, .e = e };
    enum err_code rc;

    *out = (struct request){ .sampling = p->sampling };
    if ((rc = find_template(&r)) || (rc = decide_kind(&r, &out->kind)) ||
        (rc = pick_shots(&r)))
        return rc;
    r.plain = p->completion || (out->kind == REQUEST_SCORE && r.w->plain);
    return fill(&r, turn, replies, out);
}
