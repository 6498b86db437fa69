/* Tokenizers against the reference vectors: 13 vocabularies, 199 texts each,
 * the pre-tokenizers' patterns, real models; and hostile metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/gguf.h"
#include "engine/vocab_kind.h"
#include "engine/vocab_split.h"
#include "harness/base/io.h"
#include "harness/base/json.h"
#include "harness/base/mem.h"
#include "harness/base/pattern.h"
#include "tests/t.h"

#define GOLDEN "tests/golden/"

static struct err e;

/* `make check` takes a part of the long tests. */
static bool quick(void)
{
    const char *mode = getenv("MOKAO_TEST_MODE");

    return !mode || strcmp(mode, "full") != 0;
}

/* A NUL in a string, which our JSON refuses, is read as U+F8FF. */
static struct json *load_json(const char *path)
{
    struct buf b;
    struct json *j;

    buf_init(&b, 1 << 24);
    t_read(path, &b);
    for (char *p = b.p; (p = strstr(p, "\\u0000"));)
        memcpy(p + 2, "f8ff", 4); /* NOLINT: a part of the text */
    t_ok(json_parse(&j, buf_view(&b), &e), &e);
    buf_free(&b);
    return j;
}

/* The bytes that a string of load_json() stands for. */
static struct str with_nuls(const char *s, struct buf *b)
{
    struct str from = str_of(s), nul = STR("\xef\xa3\xbf");

    buf_clear(b);
    for (size_t at = 0; at < from.n;) {
        bool found = str_starts(str_sub(from, at, from.n), nul);

        buf_char(b, found ? '\0' : s[at]);
        at += found ? nul.n : 1;
    }
    return buf_view(b);
}

/* A vocabulary and the file it borrows from. */
struct opened {
    struct gguf *g;
    struct vocab *v;
};

static struct opened open_vocab(const char *path, const char *pre)
{
    struct opened o;

    t_ok(gguf_open(&o.g, path, &e), &e);
    t_ok(vocab_open_pre(&o.v, o.g, pre, &e), &e);
    return o;
}

static void close_vocab(struct opened *o)
{
    vocab_close(o->v);
    gguf_close(o->g);
}

static const char *vocab_path(const char *file)
{
    char name[128];

    if (strcmp(file, "vocab-unigram.gguf") == 0)
        return GOLDEN "tokvec/vocab-unigram.gguf";
    snprintf(name, sizeof name, "reference/engine/vocab/%s", file);
    return t_shared(name);
}

static struct ids tokenize(const struct vocab *v, struct str text,
                           unsigned flags)
{
    struct ids ids = { 0 };

    t_ok(vocab_tokenize(v, text, flags, &ids, &e), &e);
    return ids;
}

static void expect_ids(const struct vocab *v, struct str text, unsigned flags,
                       const struct json *want, const char *where)
{
    struct ids got = tokenize(v, text, flags);
    const struct json *w = json_child(want);

    for (size_t i = 0; i < got.n && w; i++, w = json_next(w))
        ck_assert_msg(got.p[i] == (int32_t)json_number(w),
                      "%s: id %zu of \"%.*s\": %d, expected %d", where, i,
                      STR_FMT(text), got.p[i], (int)json_number(w));
    ck_assert_msg(got.n == json_len(want),
                  "%s: \"%.*s\": %zu ids, expected %zu", where, STR_FMT(text),
                  got.n, json_len(want));
    ids_free(&got);
}

/* Text of ids as bytes, joined token by token. */
static struct buf joined(const struct vocab *v, const struct ids *ids)
{
    struct buf b;

    buf_init(&b, 1 << 26);
    for (size_t i = 0; i < ids->n; i++) {
        char piece[1024];
        size_t n = vocab_bytes(v, ids->p[i], false, piece, sizeof piece);

        ck_assert_uint_le(n, sizeof piece);
        buf_add(&b, piece, n);
    }
    return b;
}

/* A hexadecimal digit of the golden files. */
static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct buf of_hex(const char *hex)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    for (; *hex; hex += 2)
        buf_char(&b, (char)(digit(hex[0]) << 4 | digit(hex[1])));
    return b;
}

/* The whole text comes back, less the space that the tokenizer put first; or
 * the bytes given, where the reference says that it does not. */
static void expect_back(const struct vocab *v, struct str text, const char *hex,
                        const char *where)
{
    struct ids ids = tokenize(v, text, 0);
    struct buf got = joined(v, &ids), want = of_hex(hex ? hex : "");
    bool drop = !hex && vocab_drops_space(v) && got.n > 0 && got.p[0] == ' ';
    struct str back = str_sub(buf_view(&got), drop, got.n);

    ck_assert_msg(str_eq(back, hex ? buf_view(&want) : text),
                  "%s: \"%.*s\" comes back as \"%.*s\"", where, STR_FMT(text),
                  STR_FMT(back));
    buf_free(&want);
    buf_free(&got);
    ids_free(&ids);
}

/* --- the vectors ---------------------------------------------------------- */

static const char *const tokvec[] = {
    "baichuan",    "bloom",  "chatglm-bpe", "deepseek-coder", "deepseek-llm",
    "deepseek-v3", "glm4",   "gpt-2",       "llama-bpe",      "llama-spm",
    "qwen2",       "qwen35", "smollm",      "unigram"
};

/* All texts of texts.json in order. */
static size_t all_texts(const struct json *groups, const char **out, size_t n)
{
    size_t k = 0;

    for (const struct json *g = json_child(groups); g; g = json_next(g))
        for (const struct json *t = json_child(g); t; t = json_next(t)) {
            ck_assert_uint_lt(k, n);
            out[k++] = json_string(t);
        }
    return k;
}

static const char *str_or(const struct json *j, const char *key)
{
    const struct json *m = json_get(j, key);

    return m ? json_string(m) : NULL;
}

static void expect_rows(const struct vocab *v, const struct json *j,
                        const char *const *texts, const char *where)
{
    const struct json *r = json_child(json_get(j, "rows"));
    size_t n = 0;

    for (; r; r = json_next(r), n++) {
        struct str text = str_of(texts[(int)json_number(json_get(r, "t"))]);

        expect_ids(v, text, 0, json_get(r, "ids"), where);
        /* U+2581 in a text is one with the space; some rows don't say so */
        if (str_or(r, "decoded_hex") || !strstr(text.p, "▁"))
            expect_back(v, text, str_or(r, "decoded_hex"), where);
    }
    ck_assert_uint_eq(n, 199);
    r = json_child(json_get(j, "special"));
    for (; r; r = json_next(r)) {
        struct str text = str_of(json_string(json_get(r, "text")));

        expect_ids(v, text, MK_ADD_SPECIAL | MK_PARSE_SPECIAL,
                   json_get(r, "ids"), where);
        expect_ids(v, text, 0, json_get(r, "ids_not_parsed"), where);
    }
}

START_TEST(vectors_of_the_reference)
{
    char path[128];
    struct json *groups = load_json(GOLDEN "tokvec/texts.json"), *j;
    const char *texts[256], *file;
    struct opened o;

    ck_assert_uint_eq(all_texts(groups, texts, 256), 199);
    snprintf(path, sizeof path, GOLDEN "tokvec/%s.json", tokvec[_i]);
    j = load_json(path);
    file = vocab_path(json_string(json_get(j, "vocab")));
    if (file) {
        o = open_vocab(file, str_or(j, "pre"));
        expect_rows(o.v, j, texts, tokvec[_i]);
        close_vocab(&o);
    }
    json_free(j);
    json_free(groups);
}
END_TEST

static const char *const inp_out[] = { "deepseek-coder", "deepseek-llm",
                                       "gpt-2",          "llama-bpe",
                                       "llama-spm",      "qwen2",
                                       "qwen35" };

/* One line of decimal ids. */
static void expect_line(const struct vocab *v, struct str text, struct str line)
{
    struct ids got = tokenize(v, text, 0);
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < got.n; i++)
        buf_printf(&b, "%s%d", i ? " " : "", got.p[i]);
    ck_assert_msg(str_eq(buf_view(&b), str_trim(line)),
                  "\"%.*s\": got %s, expected %.*s", STR_FMT(text), b.p,
                  STR_FMT(line));
    buf_free(&b);
    ids_free(&got);
}

START_TEST(texts_with_ids_of_the_original_tokenizers)
{
    static const char sep[] = "\n__ggml_vocab_test__\n";
    bool q35 = strcmp(inp_out[_i], "qwen35") == 0;
    char name[128];
    const char *file;
    struct buf inp, out;
    struct io_lines lines;
    struct opened o;

    snprintf(name, sizeof name, "ggml-vocab-%s.gguf",
             q35 ? "qwen2" : inp_out[_i]);
    file = vocab_path(name);
    if (!file)
        return;
    o = open_vocab(file, q35 ? "qwen35" : NULL);
    buf_init(&inp, 1 << 20);
    buf_init(&out, 1 << 20);
    snprintf(name, sizeof name, "reference/engine/vocab/ggml-vocab-%s.gguf.inp",
             inp_out[_i]);
    t_read(t_shared(name), &inp);
    snprintf(name, sizeof name, "reference/engine/vocab/ggml-vocab-%s.gguf.out",
             inp_out[_i]);
    t_read(t_shared(name), &out);
    lines = (struct io_lines){ .rest = buf_view(&out) };
    for (size_t at = 0, end; at < inp.n; at = end + sizeof sep - 1) {
        end = str_find(buf_view(&inp), STR("\n__ggml_vocab_test__\n"), at);
        if (end == (size_t)-1)
            end = inp.n;
        ck_assert(io_next_line(&lines));
        expect_line(o.v, str_sub(buf_view(&inp), at, end), lines.line);
    }
    buf_free(&inp);
    buf_free(&out);
    close_vocab(&o);
}
END_TEST

static const char *const real[] = { "smollm2-135m-instruct-q4_1",
                                    "qwen2.5-coder-0.5b-instruct-q4_k_m",
                                    "gemma3-270m-q4_k_m",
                                    "qwen2.5-coder-1.5b-instruct-q4_k_m" };

START_TEST(real_models)
{
    char path[128];
    const char *file;
    struct json *j;
    struct opened o;
    struct buf b;
    int n = 0;

    buf_init(&b, 1 << 16);
    snprintf(path, sizeof path, "%s.gguf", real[_i]);
    file = t_model(path);
    if (!file)
        return;
    o = open_vocab(file, NULL);
    snprintf(path, sizeof path, GOLDEN "real/%s.json", real[_i]);
    j = load_json(path);
    ck_assert_int_eq(vocab_info(o.v)->n_tokens,
                     (int)json_number(json_get(j, "n_vocab")));
    ck_assert_int_eq(vocab_info(o.v)->bos,
                     (int)json_number(json_get(j, "bos")));
    ck_assert_int_eq(vocab_info(o.v)->eos,
                     (int)json_number(json_get(j, "eos")));
    ck_assert_int_eq(vocab_info(o.v)->add_bos,
                     json_bool(json_get(j, "add_bos")));
    for (const struct json *r = json_child(json_get(j, "tokenizer")); r;
         r = json_next(r), n++) {
        struct str text = with_nuls(json_string(json_get(r, "text")), &b);

        expect_ids(o.v, text, 0, json_get(r, "ids"), real[_i]);
        expect_ids(o.v, text, MK_ADD_SPECIAL | MK_PARSE_SPECIAL,
                   json_get(r, "ids_special"), real[_i]);
        expect_back(o.v, text, NULL, real[_i]);
    }
    ck_assert_int_eq(n, 93);
    buf_free(&b);
    json_free(j);
    close_vocab(&o);
}
END_TEST

/* --- pre-tokenizers against their patterns -------------------------------- */

#define MOST_WORDS 4096
struct words {
    size_t end[MOST_WORDS];
    size_t n;
    const char *text;
};

static enum err_code add_word(void *arg, struct str w, struct err *err)
{
    struct words *k = arg;

    (void)err;
    ck_assert_uint_lt(k->n, MOST_WORDS);
    k->end[k->n++] = (size_t)(w.p - k->text) + w.n;
    return ERR_OK;
}

/* Cuts each of the pieces (their ends) once more by pattern p. */
static void cut_by(const struct pattern *p, struct str text, struct words *k)
{
    struct words out = { .n = 0 };
    size_t from = 0;

    for (size_t i = 0; i < k->n; i++) {
        struct str piece = str_sub(text, from, k->end[i]);

        for (size_t at = 0; at < piece.n;) {
            struct pattern_hit h;
            bool found;

            t_ok(pattern_find(p, piece, at, &h, &found, &e), &e);
            if (!found)
                break;
            if (h.g[0].at > at)
                out.end[out.n++] = from + h.g[0].at;
            out.end[out.n++] = from + (at = h.g[0].end);
            ck_assert_uint_lt(out.n, MOST_WORDS - 2);
        }
        if (out.n == 0 || out.end[out.n - 1] != k->end[i])
            out.end[out.n++] = k->end[i];
        from = k->end[i];
    }
    *k = out;
}

static void expect_split(const struct split *s, struct pattern *const *p,
                         size_t n, struct str text, const char *name)
{
    struct words want = { .end = { text.n }, .n = text.n > 0 };
    struct words got = { .text = text.p };

    for (size_t i = 0; i < n; i++)
        cut_by(p[i], text, &want);
    t_ok(split_run(s, text, add_word, &got, &e), &e);
    for (size_t i = 0; i < got.n && i < want.n; i++)
        ck_assert_msg(got.end[i] == want.end[i],
                      "%s: \"%.*s\": word %zu ends at %zu, expected %zu", name,
                      STR_FMT(text), i, got.end[i], want.end[i]);
    ck_assert_uint_eq(got.n, want.n);
}

/* Strings of what is awkward: spaces of all sorts, breaks, digits of other
 * scripts, marks, apostrophes, the two classes' borders. */
static void random_text(uint32_t *seed, struct buf *b)
{
    static const char *const bits[] = {
        " ",      " ",      "\n",         "\r",           "\t",     "\u00a0",
        "\u3000", "\u180e", "\u2028",     "\xc2\x85",     "a",      "Z",
        "'s",     "'S",     "'\u017f",    "'re",          "'LL",    "'d",
        "'",      "1",      "22",         "4567",         "\u0663", "\u00b2",
        "\u2167", "中",     "文字",       "。",           "!",      "...",
        "\u0301", "\u200d", "😀",          "\u0e01\u0e33", "é",      "_",
        "/",      "\u3042", "\U00020bb7", "\uff10",       "\u202f", "\u0968",
        "ǅ",      "ʰ"
    };
    size_t n = 1 + (*seed >> 8) % 24;

    buf_clear(b);
    while (n-- > 0) {
        *seed = *seed * 1664525u + 1013904223u;
        buf_str(b, bits[(*seed >> 12) % (sizeof bits / sizeof *bits)]);
    }
}

static void compare_with_patterns(const struct split *s,
                                  const struct json *list, const char *name)
{
    struct pattern *p[8];
    struct json *groups = load_json(GOLDEN "tokvec/texts.json");
    const char *texts[256];
    size_t n = 0, n_texts = all_texts(groups, texts, 256);
    uint32_t seed = 7;
    struct buf b;

    for (const struct json *x = json_child(list); x; x = json_next(x))
        t_ok(pattern_open(&p[n++], str_of(json_string(x)), 0, &e), &e);
    for (size_t i = 0; i < n_texts; i++)
        expect_split(s, p, n, str_of(texts[i]), name);
    buf_init(&b, 1 << 16);
    for (int i = quick() ? 1600 : 0; i < 2000; i++) {
        random_text(&seed, &b);
        expect_split(s, p, n, buf_view(&b), name);
    }
    buf_free(&b);
    while (n > 0)
        pattern_close(p[--n]);
    json_free(groups);
}

START_TEST(words_are_those_of_the_patterns)
{
    struct json *j = load_json(GOLDEN "tokvec/pretokenizers.json");
    size_t n = 0;

    for (const struct json *x = json_child(j); x; x = json_next(x)) {
        const struct split_row *row = split_row(str_of(json_key(x)));
        struct split *s;

        if (json_key(x)[0] == '_')
            continue;
        ck_assert_str_eq(split_name(row), json_key(x));
        t_ok(split_open(&s, row, &e), &e);
        compare_with_patterns(s, x, json_key(x));
        split_close(s);
        n++;
    }
    ck_assert_uint_eq(n, 16);
    json_free(j);
}
END_TEST

START_TEST(names_of_pretokenizers_are_unique)
{
    for (size_t i = 0; split_row_at(i); i++)
        ck_assert_ptr_eq(split_row(str_of(split_name(split_row_at(i)))),
                         split_row_at(i));
    ck_assert_str_eq(split_name(split_row(STR("no such name"))), "default");
}
END_TEST

START_TEST(no_letter_stands_beyond_the_class_table)
{
    for (int32_t r = 0x34000; r <= 0x10ffff; r += quick() ? 15 : 1)
        ck_assert(!text_is_letter(r) && !text_is_number(r) &&
                  !text_is_space(r));
}
END_TEST

/* --- a file of our own ---------------------------------------------------- */

/* A GGUF with the keys of a tokenizer, all of them wrong on wish. */
struct made {
    struct buf b;
    uint64_t n_keys;
};

static void put_u32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof v);
}

static void put_str(struct buf *b, const char *s)
{
    uint64_t n = strlen(s);

    buf_add(b, &n, sizeof n);
    buf_add(b, s, n);
}

static void put_key(struct made *m, const char *key, uint32_t type)
{
    put_str(&m->b, key);
    put_u32(&m->b, type);
    m->n_keys++;
}

static void put_array(struct made *m, const char *key, uint32_t elem,
                      uint64_t n)
{
    put_key(m, key, GGUF_ARR);
    put_u32(&m->b, elem);
    buf_add(&m->b, &n, sizeof n);
}

static void put_text(struct made *m, const char *key, const char *value)
{
    put_key(m, key, GGUF_STR);
    put_str(&m->b, value);
}

static void put_strs(struct made *m, const char *key, const char *const *s)
{
    uint64_t n = 0;

    while (s[n])
        n++;
    put_array(m, key, GGUF_STR, n);
    for (uint64_t i = 0; i < n; i++)
        put_str(&m->b, s[i]);
}

static void put_ints(struct made *m, const char *key, const int32_t *v,
                     uint64_t n)
{
    put_array(m, key, GGUF_I32, n);
    buf_add(&m->b, v, n * sizeof *v);
}

static void put_floats(struct made *m, const char *key, const float *v,
                       uint64_t n)
{
    put_array(m, key, GGUF_F32, n);
    buf_add(&m->b, v, n * sizeof *v);
}

static enum err_code open_made(struct made *m, struct opened *o)
{
    char path[128];
    struct buf file;
    uint64_t zero = 0;

    buf_init(&file, 1 << 20);
    buf_str(&file, "GGUF");
    put_u32(&file, 3);
    buf_add(&file, &zero, 8);
    buf_add(&file, &m->n_keys, 8);
    buf_text(&file, buf_view(&m->b));
    snprintf(path, sizeof path, "%s/made.gguf", t_tmp());
    t_ok(io_replace(path, buf_view(&file), &e), &e);
    buf_free(&file);
    buf_free(&m->b);
    t_ok(gguf_open(&o->g, path, &e), &e);
    o->v = NULL;
    return vocab_open(&o->v, o->g, &e);
}

/* Keys in an order that lets a test leave out or replace one of them. */
struct made_keys {
    const char *model;
    const char *const *tokens, *const *merges;
    const int32_t *types;
    uint64_t n_types;
    const float *scores;
    uint64_t n_scores;
    int64_t bos;
};

static enum err_code open_keys(const struct made_keys *k, struct opened *o)
{
    struct made m = { 0 };

    buf_init(&m.b, 1 << 20);
    put_text(&m, "general.architecture", "llama");
    if (k->model)
        put_text(&m, "tokenizer.ggml.model", k->model);
    if (k->tokens)
        put_strs(&m, "tokenizer.ggml.tokens", k->tokens);
    if (k->merges)
        put_strs(&m, "tokenizer.ggml.merges", k->merges);
    if (k->types)
        put_ints(&m, "tokenizer.ggml.token_type", k->types, k->n_types);
    if (k->scores)
        put_floats(&m, "tokenizer.ggml.scores", k->scores, k->n_scores);
    if (k->bos >= 0) {
        put_key(&m, "tokenizer.ggml.bos_token_id", GGUF_U32);
        put_u32(&m.b, (uint32_t)k->bos);
    }
    return open_made(&m, o);
}

static const char *const abc[] = { "a", "b", "ab", "<x>", NULL };
static const char *const ab_merge[] = { "a b", NULL };
static const int32_t types[] = { 1, 1, 1, 3 };
static const float scores[] = { -1, -2, -3, 0 };

static const struct {
    struct made_keys k;
    const char *message;
} hostile[] = {
    { { NULL, abc, ab_merge, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.model: missing" },
    { { "wordpiece", abc, ab_merge, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.model: \"wordpiece\", expected one of gpt2" },
    { { "gpt2", NULL, ab_merge, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.tokens: missing" },
    { { "gpt2", abc + 4, ab_merge, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.tokens: empty" },
    { { "gpt2", abc, NULL, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.merges: missing" },
    { { "gpt2", abc, (const char *const[]){ "ab", NULL }, types, 4, NULL, 0,
        -1 },
      "tokenizer.ggml.merges[0]: expected \"left right\", got \"ab\"" },
    { { "gpt2", abc, (const char *const[]){ "a ", NULL }, types, 4, NULL, 0,
        -1 },
      "tokenizer.ggml.merges[0]: expected" },
    { { "gpt2", abc, (const char *const[]){ "a b", "b a", NULL }, types, 4,
        NULL, 0, -1 },
      "tokenizer.ggml.merges[1]: \"ba\" is no token" },
    { { "gpt2", abc, (const char *const[]){ "a c", NULL }, types, 4, NULL, 0,
        -1 },
      "tokenizer.ggml.merges[0]: \"c\" is no token" },
    { { "gpt2", abc, (const char *const[]){ "ab <x>", NULL }, types, 4, NULL, 0,
        -1 },
      "tokenizer.ggml.merges[0]: 5 bytes together" },
    { { "gpt2", abc, ab_merge, types, 3, NULL, 0, -1 },
      "tokenizer.ggml.token_type: 3 entries for 4 tokens" },
    { { "gpt2", abc, ab_merge, (const int32_t[]){ 1, 7, 1, 3 }, 4, NULL, 0,
        -1 },
      "tokenizer.ggml.token_type[1]: expected 1 to 6, got 7" },
    { { "llama", abc, NULL, types, 4, NULL, 0, -1 },
      "tokenizer.ggml.scores: missing" },
    { { "llama", abc, NULL, types, 4, scores, 2, -1 },
      "tokenizer.ggml.scores: 2 entries for 4 tokens" },
    { { "gpt2", abc, ab_merge, types, 4, NULL, 0, 4 },
      "key tokenizer.ggml.bos_token_id is 4" },
};

START_TEST(bad_metadata_names_the_key)
{
    struct opened o = { 0 };

    ck_assert_int_eq(open_keys(&hostile[_i].k, &o), ERR_FORMAT);
    ck_assert_msg(strstr(e.msg, hostile[_i].message) == e.msg,
                  "got \"%s\", expected \"%s...\"", e.msg, hostile[_i].message);
    close_vocab(&o);
}
END_TEST

START_TEST(a_byte_without_a_token_is_an_error)
{
    static const struct made_keys k = { "gpt2", abc,  ab_merge, types,
                                        4,      NULL, 0,        -1 };
    struct opened o;
    struct ids ids = { 0 };

    t_ok(open_keys(&k, &o), &e);
    ck_assert_str_eq(vocab_info(o.v)->name, "gpt2/default");
    t_ok(vocab_tokenize(o.v, STR("ab<x>"), MK_PARSE_SPECIAL, &ids, &e), &e);
    ck_assert_uint_eq(ids.n, 2);
    ck_assert_int_eq(ids.p[0], 2);
    ck_assert_int_eq(ids.p[1], 3);
    ck_assert_int_eq(vocab_tokenize(o.v, STR("abc"), 0, &ids, &e), ERR_FORMAT);
    ck_assert_str_eq(e.msg, "tokenizer: byte 0x63 has no token, and there is "
                            "no unknown token");
    ids_free(&ids);
    close_vocab(&o);
}
END_TEST

/* Longest first over the whole text, equal lengths by id; user-defined tokens
 * are cut out even if control tokens are not. */
START_TEST(special_tokens_longest_first)
{
    static const char *const tokens[] = { "a",  "b",   "c",   "bc",
                                          "ab", "abc", "[u]", NULL };
    static const char *const none[] = { NULL };
    static const int32_t kind[] = { 1, 1, 1, 3, 3, 3, 4 };
    static const struct made_keys k = { "gpt2", tokens, none, kind,
                                        7,      NULL,   0,    -1 };
    static const struct {
        const char *text;
        unsigned flags;
        const char *ids;
    } cases[] = {
        { "ab", MK_PARSE_SPECIAL, "4" },
        { "abc", MK_PARSE_SPECIAL, "5" },
        { "aabc", MK_PARSE_SPECIAL, "05" },
        { "abab", MK_PARSE_SPECIAL, "44" },
        { "bcab", MK_PARSE_SPECIAL, "34" },
        { "abc", 0, "012" },
        { "a[u]b", 0, "061" },
        { "bbcc", MK_PARSE_SPECIAL, "132" },
    };
    struct opened o;

    t_ok(open_keys(&k, &o), &e);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ids ids = tokenize(o.v, str_of(cases[i].text), cases[i].flags);

        ck_assert_uint_eq(ids.n, strlen(cases[i].ids));
        for (size_t j = 0; j < ids.n; j++)
            ck_assert_int_eq(ids.p[j], cases[i].ids[j] - '0');
        ids_free(&ids);
    }
    close_vocab(&o);
}
END_TEST

/* A piece of type unused comes out of merges and is taken apart again. */
START_TEST(unused_pieces_are_taken_apart)
{
    static const char *const tokens[] = { "<unk>", "a",   "b",  "ab",
                                          "c",     "abc", "bc", NULL };
    static const int32_t kind[] = { 2, 1, 1, 1, 1, 5, 1 };
    static const float score[] = { 0, -9, -9, -1, -9, -2, -3 };
    static const struct made_keys k = { "llama", tokens, NULL, kind,
                                        7,       score,  7,    -1 };
    struct opened o;
    struct ids ids;

    t_ok(open_keys(&k, &o), &e);
    ids = tokenize(o.v, STR("abc"), 0);
    /* the space in front has no token and no bytes: unknown */
    ck_assert_uint_eq(ids.n, 3);
    ck_assert_int_eq(ids.p[0], 0);
    ck_assert_int_eq(ids.p[1], 3);
    ck_assert_int_eq(ids.p[2], 4);
    ids_free(&ids);
    close_vocab(&o);
}
END_TEST

/* Line ends, tabs and runs of spaces are tokens in ChatGLM-6B, also in the
 * middle of a text, and no space comes in front of what follows them. */
START_TEST(blanks_are_tokens_where_the_vocabulary_has_them)
{
    static const char *const tokens[] = { "<pad>", "</s>",        "<unk>",
                                          "<n>",   "<|tab|>",     "<|blank_2|>",
                                          "a",     "<|blank_3|>", "\u2581a",
                                          "b",     "\u2581",      NULL };
    static const int32_t kind[] = { 3, 3, 2, 4, 4, 4, 1, 4, 1, 1, 1 };
    static const float score[] = { 0, 0, 0, 0, 0, 0, -3, 0, -2, -3, -4 };
    static const struct made_keys k = { "t5", tokens, NULL, kind,
                                        11,   score,  11,   -1 };
    static const struct {
        const char *text;
        int32_t ids[8]; /* up to the first 0 */
    } cases[] = {
        { "a\nb", { 8, 3, 9 } },
        { "a\n\tb", { 8, 3, 4, 9 } },
        { "a b", { 8, 10, 9 } },
        { "a  b", { 8, 5, 9 } },
        { "a     b", { 8, 7, 5, 9 } },
        { "a       b", { 8, 7, 7, 10, 9 } },
        { " a", { 10, 8 } },
        { "\n", { 10, 3 } },
        { "b\na   a", { 10, 9, 3, 6, 7, 6 } },
    };
    struct opened o;

    t_ok(open_keys(&k, &o), &e);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct ids ids = tokenize(o.v, str_of(cases[c].text), 0);
        struct buf back = joined(o.v, &ids);

        for (size_t i = 0; i < ids.n; i++)
            ck_assert_msg(ids.p[i] == cases[c].ids[i], "\"%s\": %zu is %d",
                          cases[c].text, i, (int)ids.p[i]);
        ck_assert_int_eq(cases[c].ids[ids.n], 0);
        ck_assert_str_eq(back.p + 1, cases[c].text);
        buf_free(&back);
        ids_free(&ids);
    }
    close_vocab(&o);
}
END_TEST

/* --- size ----------------------------------------------------------------- */

static const char *const big[] = { "gpt-2", "qwen2", "llama-spm" };

/* The time allowed is ten times that of a plain build: sanitizers, and a machine
 * that does other things too. */
START_TEST(a_megabyte_without_spaces_takes_under_a_second)
{
    size_t size = quick() ? 100000 : 1000000;
    static const char *const unit[] = { "a", "中文", "\xff" };
    char name[64];
    const char *file;
    struct opened o;
    struct buf b;

    snprintf(name, sizeof name, "ggml-vocab-%s.gguf", big[_i]);
    file = vocab_path(name);
    if (!file)
        return;
    o = open_vocab(file, NULL);
    buf_init(&b, 1 << 21);
    for (size_t u = 0; u < 3; u++) {
        int64_t from = io_now_ns();
        struct ids ids;
        struct buf back;
        struct str text;

        buf_clear(&b);
        while (b.n < size)
            buf_str(&b, unit[u]);
        ids = tokenize(o.v, buf_view(&b), 0);
        ck_assert_int_lt((io_now_ns() - from) / (int64_t)size, 10000);
        back = joined(o.v, &ids);
        text = buf_view(&back);
        if (vocab_drops_space(o.v))
            text = str_sub(text, 1, text.n);
        ck_assert(str_eq(text, buf_view(&b)));
        buf_free(&back);
        ids_free(&ids);
    }
    buf_free(&b);
    close_vocab(&o);
}
END_TEST

static const char *const small[] = { "tests/golden/tiny/qwen2.gguf",
                                     "tests/golden/tiny/llama2-gqa.gguf",
                                     GOLDEN "tokvec/vocab-unigram.gguf" };

/* Opens, tokenises, closes. */
static enum err_code use(const struct gguf *g)
{
    struct str text = STR("Hello 中文 12\n<s> \xff");
    struct ids ids = { 0 };
    struct vocab *v = NULL;
    enum err_code rc = vocab_open(&v, g, &e);

    if (!rc)
        rc = vocab_tokenize(v, text, MK_PARSE_SPECIAL, &ids, &e);
    ids_free(&ids);
    vocab_close(v);
    return rc;
}

/* Every allocation fails once: an error each time, no leak, and then it works. */
START_TEST(without_memory)
{
    struct gguf *g;
    enum err_code rc = ERR_NOMEM;

    t_ok(gguf_open(&g, small[_i], &e), &e);
    for (size_t nth = 1; rc == ERR_NOMEM; nth++) {
        mem_fail_at(nth, false);
        rc = use(g);
        mem_fail_at(0, false);
    }
    t_ok(rc, &e);
    gguf_close(g);
}
END_TEST

START_TEST(stop_tokens)
{
    const char *file = t_model("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf");
    struct opened o;
    size_t n = 0;

    if (!file)
        return;
    o = open_vocab(file, NULL);
    for (int32_t id = -1; id <= vocab_info(o.v)->n_tokens; id++)
        n += vocab_is_stop(o.v, id);
    ck_assert(vocab_is_stop(o.v, 151645)); /* <|im_end|> */
    ck_assert(vocab_is_stop(o.v, 151643)); /* <|endoftext|> */
    ck_assert(vocab_is_stop(o.v, 128247)); /* </s>, by its name */
    ck_assert_uint_eq(n, 3);
    ck_assert_str_eq(vocab_piece(o.v, 151645).p, "<|im_end|>");
    ck_assert_ptr_null(vocab_piece(o.v, 151936).p);
    ck_assert_uint_eq(vocab_bytes(o.v, 151645, false, NULL, 0), 0);
    ck_assert_uint_eq(vocab_bytes(o.v, 151645, true, NULL, 0), 10);
    ck_assert_uint_eq(vocab_bytes(o.v, -1, true, NULL, 0), 0);
    close_vocab(&o);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof *(a)))
static void setup(TCase *tc)
{
    tcase_add_loop_test(tc, vectors_of_the_reference, 0, N(tokvec));
    tcase_add_loop_test(tc, texts_with_ids_of_the_original_tokenizers, 0,
                        N(inp_out));
    tcase_add_loop_test(tc, real_models, 0, N(real));
    tcase_add_test(tc, words_are_those_of_the_patterns);
    tcase_add_test(tc, names_of_pretokenizers_are_unique);
    tcase_add_test(tc, no_letter_stands_beyond_the_class_table);
    tcase_add_loop_test(tc, bad_metadata_names_the_key, 0, N(hostile));
    tcase_add_test(tc, a_byte_without_a_token_is_an_error);
    tcase_add_test(tc, special_tokens_longest_first);
    tcase_add_test(tc, unused_pieces_are_taken_apart);
    tcase_add_test(tc, blanks_are_tokens_where_the_vocabulary_has_them);
    tcase_add_loop_test(tc, a_megabyte_without_spaces_takes_under_a_second, 0,
                        N(big));
    tcase_add_loop_test(tc, without_memory, 0, N(small));
    tcase_add_test(tc, stop_tokens);
}

T_MAIN("vocab", setup)
