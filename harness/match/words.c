/* Cutting text into words, and where the files come from.
 *
 *   text -> blocks of Han, Latin letters and digits -> likeliest path of
 *   dictionary words -> runs of single characters -> model
 *
 * The path is found from the end: at each character the best way on is that of
 * the best word which begins there.  A word is at most WORD_MOST characters, so
 * time and memory are linear; a block is cut off at BLOCK_MOST characters,
 * which no text without a full stop reaches. */
#include "harness/match/words.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/match/words_parts.h"

enum { BLOCK_MOST = 65536 };

struct words {
    struct word_tree tree;
    struct word_model model;
    char digest[DIGEST_HEX];
};

/* ---- cutting ---- */

/* One block and its best path. */
struct block {
    const struct words *w;
    struct str text;
    int32_t *rune;
    uint32_t *at;          /* offsets in text, one more than characters */
    double *best;          /* weight of the best path from here on */
    unsigned char *length; /* of its first word, in characters */
    unsigned char *place;
    size_t n;
    words_fn *fn;
    void *user;
    bool stopped;
};

static bool is_alnum(int32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool is_digit(int32_t c)
{
    return c >= '0' && c <= '9';
}

/* What may be part of a word. */
static bool in_block(int32_t c)
{
    return words_is_han(c) || is_alnum(c) ||
           (c > 0 && c < 128 && strchr("+#&._%-", c));
}

static void give(struct block *b, size_t from, size_t to)
{
    if (!b->stopped)
        b->stopped = !b->fn(b->user, str_sub(b->text, b->at[from], b->at[to]));
}

static void give_each(struct block *b, size_t from, size_t to)
{
    for (; from < to; from++)
        give(b, from, from + 1);
}

/* A number with its decimals and percent sign, or a Latin word. */
static size_t latin_end(const struct block *b, size_t at, size_t to)
{
    while (at < to && is_alnum(b->rune[at]))
        at++;
    if (at + 1 < to && b->rune[at] == '.' && is_digit(b->rune[at + 1]))
        for (at++; at < to && is_digit(b->rune[at]);)
            at++;
    return at + (at < to && b->rune[at] == '%');
}

/* Signs between Latin words stay together. */
static void cut_latin(struct block *b, size_t from, size_t to)
{
    for (size_t end; from < to; from = end) {
        end = from;
        if (is_alnum(b->rune[from]))
            end = latin_end(b, from, to);
        else
            while (end < to && !is_alnum(b->rune[end]))
                end++;
        give(b, from, end);
    }
}

static void cut_han(struct block *b, size_t from, size_t to)
{
    const struct word_model *m = &b->w->model;

    word_model_places(m, b->rune + from, to - from, b->place + from);
    for (size_t i = from; i < to; i++) {
        if (b->place[i] != WORD_E && b->place[i] != WORD_S)
            continue;
        give(b, from, i + 1);
        from = i + 1;
    }
    give_each(b, from, to);
}

/* Characters that are in no word of the path. */
static void cut_unknown(struct block *b, size_t from, size_t to)
{
    for (size_t end = from; from < to; from = end) {
        bool han = words_is_han(b->rune[from]);

        while (end < to && words_is_han(b->rune[end]) == han)
            end++;
        if (han)
            cut_han(b, from, end);
        else
            cut_latin(b, from, end);
    }
}

/* Without a model only Latin letters and digits keep together. */
static void cut_plain(struct block *b, size_t from, size_t to)
{
    for (size_t end; from < to; from = end) {
        for (end = from; end < to && is_alnum(b->rune[end]);)
            end++;
        end += end == from;
        give(b, from, end);
    }
}

static bool is_word(const struct block *b, size_t from, size_t to)
{
    uint32_t node = 0;

    do
        node = word_tree_step(&b->w->tree, node, b->rune[from++]);
    while (node && from < to);
    return word_tree_is_word(&b->w->tree, node);
}

/* A run of singles that the dictionary has as a word was cut with a purpose. */
static void cut_singles(struct block *b, size_t from, size_t to)
{
    if (!b->w->model.emit)
        cut_plain(b, from, to);
    else if (from + 1 >= to || is_word(b, from, to))
        give_each(b, from, to);
    else
        cut_unknown(b, from, to);
}

/* The best word that begins at i; of equal ones the longest. */
static void choose(struct block *b, size_t i)
{
    const struct word_tree *t = &b->w->tree;
    uint32_t node = 0;
    bool any = false;

    b->best[i] = t->unseen + b->best[i + 1];
    b->length[i] = 1;
    for (size_t end = i; end < b->n; end++) {
        double path;

        node = word_tree_step(t, node, b->rune[end]);
        if (!node)
            break;
        if (!word_tree_is_word(t, node))
            continue;
        path = t->nodes[node].weight + b->best[end + 1];
        if (any && path < b->best[i])
            continue;
        any = true;
        b->best[i] = path;
        b->length[i] = (unsigned char)(end + 1 - i);
    }
}

static void cut_block(struct block *b)
{
    size_t singles = 0;

    b->best[b->n] = 0;
    for (size_t i = b->n; i-- > 0;)
        choose(b, i);
    for (size_t i = 0; i < b->n && !b->stopped; i += b->length[i]) {
        if (b->length[i] == 1)
            continue;
        cut_singles(b, singles, i);
        give(b, i, i + b->length[i]);
        singles = i + b->length[i];
    }
    cut_singles(b, singles, b->n);
}

/* The characters of a block from offset `at`; returns its end. */
static size_t take_block(struct block *b, size_t at)
{
    size_t len;

    for (b->n = 0; at < b->text.n && b->n < BLOCK_MOST; at += len) {
        int32_t rune = text_rune(b->text, at, &len);

        if (!in_block(rune))
            break;
        b->rune[b->n] = rune;
        b->at[b->n++] = (uint32_t)at;
    }
    b->at[b->n] = (uint32_t)at;
    return at;
}

/* What stands alone at offset `at`; returns its end. */
static size_t give_other(struct block *b, size_t at)
{
    size_t len;

    if (str_starts(str_sub(b->text, at, b->text.n), STR("\r\n")))
        len = 2;
    else
        (void)text_rune(b->text, at, &len);
    b->stopped = !b->fn(b->user, str_sub(b->text, at, at + len));
    return at + len;
}

enum err_code words_cut(const struct words *w, struct str s, struct arena *a,
                        words_fn *fn, void *user, struct err *e)
{
    size_t most = s.n < BLOCK_MOST ? s.n : BLOCK_MOST;
    struct block b = {
        .w = w,
        .text = s,
        .rune = arena_array(a, most + 1, sizeof(*b.rune)),
        .at = arena_array(a, most + 1, sizeof(*b.at)),
        .best = arena_array(a, most + 1, sizeof(*b.best)),
        .length = arena_alloc(a, most + 1),
        .place = arena_alloc(a, most + 1),
        .fn = fn,
        .user = user,
    };

    if (a->failed)
        return err_set(e, ERR_NOMEM, "words: out of memory");
    if (s.n > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "words: a text of more than 4 GB");
    for (size_t at = 0; at < s.n && !b.stopped;) {
        at = take_block(&b, at);
        if (b.n)
            cut_block(&b);
        else
            at = give_other(&b, at);
    }
    return ERR_OK;
}

/* ---- files ---- */

#define PYTHON_PACKAGES "/usr/lib/python3/dist-packages"
enum { PATH_MOST = 4096 };

/* What is read whole must end: no device, no pipe. */
static bool is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool join(struct str folder, const char *name, char out[PATH_MOST])
{
    int n = snprintf(out, PATH_MOST, "%.*s/%s", STR_FMT(folder), name);

    return folder.n && n > 0 && n < PATH_MOST && is_file(out);
}

/* In the folders of a list with colons. */
static bool find_in(const char *list, const char *name, char out[PATH_MOST])
{
    while (list && *list) {
        size_t n = strcspn(list, ":");

        if (join((struct str){ list, n }, name, out))
            return true;
        list += n + (list[n] == ':');
    }
    return false;
}

static bool take_path(const char *name, char out[PATH_MOST])
{
    if (strlen(name) >= PATH_MOST || !is_file(name))
        return false;
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static enum err_code find_file(const char *name, char out[PATH_MOST],
                               struct err *e)
{
    bool whole = name[0] == '/';

    if ((!whole && find_in(getenv("MOKAO_WORDS"), name, out)) ||
        take_path(name, out) || (!whole && find_in(PYTHON_PACKAGES, name, out)))
        return ERR_OK;
    return err_set(e, ERR_NOENV,
                   "no file %.100s for the words: install python3-jieba, or "
                   "name the folder of yours in MOKAO_WORDS",
                   name);
}

/* "FOLDER/finalseg" beside "FOLDER/dict.txt", if it holds a model. */
static bool find_jieba(const char *dictionary, char out[PATH_MOST])
{
    const char *slash = strrchr(dictionary, '/');
    struct str folder = { dictionary,
                          slash ? (size_t)(slash - dictionary) : 0 };

    if (!join(folder, "finalseg/prob_emit.py", out))
        return false;
    *strrchr(out, '/') = '\0';
    return true;
}

static enum err_code open_model(struct words *w, const char *path,
                                const char *model, struct str dictionary,
                                struct digest *d, struct err *e)
{
    char found[PATH_MOST];

    digest_field(d, str_of(model));
    if (model && !strcmp(model, "none"))
        return ERR_OK;
    if (!model && find_jieba(path, found))
        return word_model_read_jieba(&w->model, found, d, e);
    if (!model || !strcmp(model, "dictionary"))
        return word_model_estimate(&w->model, dictionary, e);
    if (find_file(model, found, e))
        return e->code;
    return word_model_read(&w->model, found, d, e);
}

static enum err_code read_files(struct words *w, const char *path,
                                const char *model, struct err *e)
{
    struct digest *d = NULL;
    struct buf text;
    struct str s;
    enum err_code rc = words_read_file(path, &text, e);

    if (!rc)
        rc = digest_open(&d, e);
    if (!rc) {
        s = io_skip_bom(buf_view(&text));
        digest_field(d, s);
        rc = word_tree_init(&w->tree, path, s, e);
        if (!rc)
            rc = open_model(w, path, model, s, d, e);
        digest_close(d, w->digest);
    }
    buf_free(&text);
    return rc;
}

enum err_code words_open(struct words **out, const char *dictionary,
                         const char *model, struct err *e)
{
    char path[PATH_MOST];
    struct words *w;
    enum err_code rc;

    *out = NULL;
    rc = find_file(dictionary ? dictionary : "jieba/dict.txt", path, e);
    if (rc)
        return rc;
    w = mem_zalloc(sizeof(*w));
    if (!w)
        return err_set(e, ERR_NOMEM, "words: out of memory");
    rc = read_files(w, path, model, e);
    if (rc)
        words_close(w);
    else
        *out = w;
    return rc;
}

void words_close(struct words *w)
{
    if (!w)
        return;
    word_tree_free(&w->tree);
    word_model_free(&w->model);
    mem_free(w);
}

const char *words_digest(const struct words *w)
{
    return w->digest;
}

/* ---- shared ---- */

/* One that has been asked for; `words` is NULL when its files are broken, which
 * must not be found out anew for each answer. */
struct shared {
    char *dictionary, *model;
    struct words *words;
    struct err fault;
    struct shared *next;
};
static struct {
    pthread_mutex_t lock; /* guards the list */
    struct shared *first;
} list = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void shared_free(struct shared *s)
{
    mem_free(s->dictionary);
    mem_free(s->model);
    mem_free(s);
}

/* NULL is another setting than any text. */
static bool same_setting(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static const struct shared *find_shared(const char *dictionary,
                                        const char *model)
{
    const struct shared *s = list.first;

    while (s && !(same_setting(s->dictionary, dictionary) &&
                  same_setting(s->model, model)))
        s = s->next;
    return s;
}

static bool copy_setting(char **out, const char *s)
{
    *out = s ? mem_strdup(s) : NULL;
    return !s || *out;
}

/* A file that is not there, or memory, may be there the next time. */
static enum err_code add_shared(const struct words **out,
                                const char *dictionary, const char *model,
                                struct err *e)
{
    struct shared *s = mem_zalloc(sizeof(*s));
    enum err_code rc;

    if (!s)
        return err_set(e, ERR_NOMEM, "words: out of memory");
    if (!copy_setting(&s->dictionary, dictionary) ||
        !copy_setting(&s->model, model))
        rc = err_set(e, ERR_NOMEM, "words: out of memory");
    else
        rc = words_open(&s->words, dictionary, model, &s->fault);
    if (s->fault.code)
        *e = s->fault;
    if (rc && rc != ERR_FORMAT) {
        shared_free(s);
        return rc;
    }
    s->next = list.first;
    list.first = s;
    *out = s->words;
    return rc;
}

enum err_code words_shared(const struct words **out, const char *dictionary,
                           const char *model, struct err *e)
{
    const struct shared *s;
    enum err_code rc = ERR_OK;

    *out = NULL;
    (void)pthread_mutex_lock(&list.lock);
    s = find_shared(dictionary, model);
    if (!s) {
        rc = add_shared(out, dictionary, model, e);
    } else if (s->words) {
        *out = s->words;
    } else {
        *e = s->fault;
        rc = e->code;
    }
    (void)pthread_mutex_unlock(&list.lock);
    return rc;
}
