/* Edit distance, ROUGE, BLEU, chrF and F1 over runs of tokens.
 *
 * The two quadratic ones, edit distance (Myers 1999, blocks as in Hyyrö 2003)
 * and the longest common subsequence (Hyyrö 2004), take 64 tokens of the
 * reference at a time: one pass over the answer a block, what a block hands to
 * the next kept for each place of the answer.  Tokens are numbered first, so
 * that a block's masks are an array.
 *
 * The others count runs of n tokens: each run is a hash, both lists are sorted
 * and walked side by side. */
#include "harness/match/similarity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/match/words.h"

enum { BLOCK = 64, BLEU_ORDER = 4, CHRF_ORDER = 6, CHRF_BETA = 2 };

static enum err_code no_memory(struct err *e)
{
    return err_set(e, ERR_NOMEM, "similarity: out of memory");
}

/* ---- splitting ---- */

static bool is_word_rune(int32_t rune)
{
    return !text_is_han(rune) &&
           (text_is_letter(rune) || text_is_number(rune) || text_is_mark(rune));
}

static uint64_t hash_bytes(struct str s)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return h | (uint64_t)1 << 63;
}

/* Bytes of the word of several characters that begins at `at`, else 0. */
static size_t word_at(struct str s, size_t at)
{
    size_t end = at, n = 0, len;

    for (; end < s.n && is_word_rune(text_rune(s, end, &len)); end += len)
        n++;
    return n > 1 ? end - at : 0;
}

static bool is_token(int32_t rune, bool letters)
{
    if (letters)
        return text_is_letter(rune) || text_is_number(rune);
    return !text_is_space(rune);
}

static void split_plain(struct str s, const struct similarity_cut *cut,
                        size_t most, struct tokens *out)
{
    size_t len, word;

    for (size_t at = 0; at < s.n && out->n < most; at += len) {
        int32_t rune = text_rune(s, at, &len);

        word = cut->unit == SIMILARITY_WORDS ? word_at(s, at) : 0;
        if (word) {
            len = word;
            out->t[out->n++] = hash_bytes(str_sub(s, at, at + word));
        } else if (is_token(rune, cut->letters)) {
            out->t[out->n++] = (uint32_t)rune;
        }
    }
}

/* ---- words of a dictionary ---- */

struct taking {
    const struct similarity_cut *cut;
    struct tokens *out;
    size_t most;
    bool empty; /* nothing stands in the line so far */
};

/* A word counts when one of its characters does. */
static bool is_word_token(struct str word, bool letters)
{
    size_t len;

    for (size_t at = 0; at < word.n; at += len)
        if (is_token(text_rune(word, at, &len), letters))
            return true;
    return false;
}

static bool ends_sentence(int32_t rune)
{
    return rune == 0x3002 || rune == 0xFF01 || rune == 0xFF1F || rune == '?';
}

/* A word's token, 0 where it is none. */
static uint64_t token_of(struct str word, bool letters)
{
    size_t len;
    int32_t rune = text_rune(word, 0, &len);

    if (!is_word_token(word, letters))
        return 0;
    return len == word.n ? (uint32_t)rune : hash_bytes(word);
}

static bool take_word(void *user, struct str word)
{
    struct taking *t = user;
    uint64_t token = token_of(word, t->cut->letters);
    bool line_end = word.p[word.n - 1] == '\n';

    if (token)
        t->empty = token < INT32_MAX && ends_sentence((int32_t)token);
    if (line_end && t->empty && t->cut->breaks)
        token = '\n';
    t->empty |= line_end;
    if (token)
        t->out->t[t->out->n++] = token;
    return t->out->n < t->most;
}

enum err_code similarity_split(struct str s, const struct similarity_cut *cut,
                               struct arena *a, struct tokens *out,
                               struct err *e)
{
    struct taking t = { .cut = cut, .out = out, .most = s.n };

    if (t.most > SIMILARITY_MOST)
        t.most = SIMILARITY_MOST;
    *out = (struct tokens){ arena_array(a, t.most + 1, sizeof(*out->t)), 0 };
    if (!out->t)
        return no_memory(e);
    if (cut->unit == SIMILARITY_DICTIONARY)
        return words_cut(cut->words, s, a, take_word, &t, e);
    split_plain(s, cut, t.most, out);
    return ERR_OK;
}

/* ---- runs of n tokens ---- */

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

    return (a > b) - (a < b);
}

static size_t grams_of(size_t tokens, size_t n)
{
    return tokens >= n ? tokens - n + 1 : 0;
}

/* One run is one number; the mixing is that of splitmix64. */
static uint64_t gram_at(const uint64_t *t, size_t n)
{
    uint64_t h = 0;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ t[i]) + 0x9e3779b97f4a7c15u;
        h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
        h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
        h ^= h >> 31;
    }
    return h;
}

static uint64_t *sorted_grams(struct tokens s, size_t n, struct arena *a)
{
    size_t count = grams_of(s.n, n);
    uint64_t *g = arena_array(a, count + 1, sizeof(*g));

    for (size_t i = 0; g && i < count; i++)
        g[i] = gram_at(s.t + i, n);
    if (g)
        qsort(g, count, sizeof(*g), by_value);
    return g;
}

/* Runs that both have, each as often as the one that has it less often. */
static enum err_code common_grams(struct tokens x, struct tokens y, size_t n,
                                  struct arena *a, size_t *common,
                                  struct err *e)
{
    uint64_t *gx = sorted_grams(x, n, a), *gy = sorted_grams(y, n, a);
    size_t nx = grams_of(x.n, n), ny = grams_of(y.n, n);

    *common = 0;
    if (!gx || !gy)
        return no_memory(e);
    for (size_t i = 0, j = 0; i < nx && j < ny;) {
        if (gx[i] == gy[j]) {
            ++*common;
            i++;
            j++;
        } else if (gx[i] < gy[j]) {
            i++;
        } else {
            j++;
        }
    }
    return ERR_OK;
}

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static double f_score(double precision, double recall, double beta)
{
    double b = beta * beta, under = b * precision + recall;

    return under > 0 ? (1 + b) * precision * recall / under : 0;
}

static enum err_code rouge_n(struct tokens got, struct tokens want, size_t n,
                             struct arena *a, double *score, struct err *e)
{
    size_t common;
    enum err_code rc = common_grams(got, want, n, a, &common, e);

    if (!rc)
        *score = f_score(ratio(common, grams_of(got.n, n)),
                         ratio(common, grams_of(want.n, n)), 1);
    return rc;
}

static enum err_code rouge_1(struct tokens got, struct tokens want,
                             struct arena *a, double *score, struct err *e)
{
    return rouge_n(got, want, 1, a, score, e);
}

static enum err_code rouge_2(struct tokens got, struct tokens want,
                             struct arena *a, double *score, struct err *e)
{
    return rouge_n(got, want, 2, a, score, e);
}

/* Papineni 2002; above single tokens one is added to both counts (Lin and Och
 * 2004), so that one missing run of four does not make it all nothing. */
static enum err_code bleu(struct tokens got, struct tokens want,
                          struct arena *a, double *score, struct err *e)
{
    double sum = 0;
    size_t common;

    *score = 0;
    for (size_t n = 1; n <= BLEU_ORDER; n++) {
        size_t plus = n > 1;
        enum err_code rc = common_grams(got, want, n, a, &common, e);

        if (rc || (n == 1 && !common))
            return rc;
        sum += log(ratio(common + plus, grams_of(got.n, n) + plus));
    }
    *score = exp(sum / BLEU_ORDER);
    if (got.n < want.n)
        *score *= exp(1 - (double)want.n / (double)got.n);
    return ERR_OK;
}

/* Popović 2015: precision and recall are means over the orders that both texts
 * are long enough for. */
static enum err_code chrf(struct tokens got, struct tokens want,
                          struct arena *a, double *score, struct err *e)
{
    double precision = 0, recall = 0;
    size_t orders = 0, common;

    *score = 0;
    for (size_t n = 1; n <= CHRF_ORDER; n++) {
        enum err_code rc = common_grams(got, want, n, a, &common, e);

        if (rc)
            return rc;
        if (!grams_of(got.n, n) || !grams_of(want.n, n))
            break;
        precision += ratio(common, grams_of(got.n, n));
        recall += ratio(common, grams_of(want.n, n));
        orders++;
    }
    if (orders)
        *score = f_score(precision / (double)orders, recall / (double)orders,
                         CHRF_BETA);
    return ERR_OK;
}

/* ---- numbered tokens, masks of a block ---- */

struct pass {
    struct tokens got, want;
    uint32_t *id_got, *id_want; /* places in the sorted list of all tokens */
    uint64_t *mask;             /* of an id: where the block has it */
    int8_t *carry; /* of a place of the answer: from block to block */
};

static uint32_t place_of(const uint64_t *all, size_t n, uint64_t t)
{
    const uint64_t *p = bsearch(&t, all, n, sizeof(t), by_value);

    return (uint32_t)(p - all);
}

static enum err_code pass_open(struct pass *p, struct tokens got,
                               struct tokens want, struct arena *a,
                               struct err *e)
{
    uint64_t *all = arena_array(a, want.n + 1, sizeof(*all));

    *p = (struct pass){
        .got = got,
        .want = want,
        .id_got = arena_array(a, got.n + 1, sizeof(*p->id_got)),
        .id_want = arena_array(a, want.n + 1, sizeof(*p->id_want)),
        .mask = arena_array(a, want.n + 1, sizeof(*p->mask)),
        .carry = arena_alloc(a, got.n + 1),
    };
    if (!all || !p->id_got || !p->id_want || !p->mask || !p->carry)
        return no_memory(e);
    memcpy(all, want.t, want.n * sizeof(*all));
    qsort(all, want.n, sizeof(*all), by_value);
    for (size_t i = 0; i < want.n; i++)
        p->id_want[i] = place_of(all, want.n, want.t[i]);
    /* What the reference has not is the last place: its mask stays empty. */
    for (size_t i = 0; i < got.n; i++)
        p->id_got[i] = bsearch(&got.t[i], all, want.n, sizeof(*all), by_value)
                           ? place_of(all, want.n, got.t[i])
                           : (uint32_t)want.n;
    return ERR_OK;
}

/* Sets the masks of the block at `from`; returns its length. */
static size_t set_masks(struct pass *p, size_t from)
{
    size_t n = p->want.n - from;

    if (n > BLOCK)
        n = BLOCK;
    for (size_t i = 0; i < n; i++)
        p->mask[p->id_want[from + i]] |= (uint64_t)1 << i;
    return n;
}

static void clear_masks(struct pass *p, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p->mask[p->id_want[from + i]] = 0;
}

/* Hyyrö 2004: the zeros of `v` are the length of the subsequence. */
static size_t lcs_block(struct pass *p, size_t n)
{
    uint64_t v = ~(uint64_t)0, in = n < BLOCK ? ((uint64_t)1 << n) - 1 : v;

    for (size_t j = 0; j < p->got.n; j++) {
        uint64_t m = p->mask[p->id_got[j]], u = v & m, sum;
        bool over = __builtin_add_overflow(v, u, &sum);

        over |= __builtin_add_overflow(sum, (uint64_t)p->carry[j], &sum);
        v = sum | (v & ~m);
        p->carry[j] = over;
    }
    return (size_t)__builtin_popcountll(~v & in);
}

static enum err_code rouge_l(struct tokens got, struct tokens want,
                             struct arena *a, double *score, struct err *e)
{
    struct pass p;
    size_t length = 0;
    enum err_code rc = pass_open(&p, got, want, a, e);

    for (size_t at = 0; at < want.n && !rc; at += BLOCK) {
        size_t n = set_masks(&p, at);

        length += lcs_block(&p, n);
        clear_masks(&p, at, n);
    }
    *score = f_score(ratio(length, got.n), ratio(length, want.n), 1);
    return rc;
}

/* One block of n rows of the table of distances, as differences: p and m are
 * the rows where the next is one more or one less, the carry is the difference
 * from place to place at the block's last row.  Returns what that row ends on,
 * less what it began on. */
static ptrdiff_t distance_block(struct pass *c, size_t n)
{
    uint64_t p = ~(uint64_t)0, m = 0, high = (uint64_t)1 << (n - 1);
    ptrdiff_t sum = 0;

    for (size_t j = 0; j < c->got.n; j++) {
        uint64_t eq = c->mask[c->id_got[j]], xv = eq | m, xh, ph, mh;
        int8_t in = c->carry[j];

        eq |= in < 0;
        xh = (((eq & p) + p) ^ p) | eq;
        ph = m | ~(xh | p);
        mh = p & xh;
        c->carry[j] = (int8_t)(((ph & high) != 0) - ((mh & high) != 0));
        sum += c->carry[j];
        ph = ph << 1 | (in > 0);
        mh = mh << 1 | (in < 0);
        p = mh | ~(xv | ph);
        m = ph & xv;
    }
    return sum;
}

static enum err_code edit(struct tokens got, struct tokens want,
                          struct arena *a, double *score, struct err *e)
{
    size_t longer = got.n > want.n ? got.n : want.n;
    ptrdiff_t distance = (ptrdiff_t)got.n;
    struct pass p;
    enum err_code rc = pass_open(&p, got, want, a, e);

    if (!rc)
        memset(p.carry, 1, got.n);
    for (size_t at = 0; at < want.n && !rc; at += BLOCK) {
        size_t n = set_masks(&p, at);

        distance = (ptrdiff_t)(at + n) + distance_block(&p, n);
        clear_masks(&p, at, n);
    }
    *score = 1 - ratio((size_t)distance, longer);
    return rc;
}

/* ---- the table ---- */

const struct similarity similarities[] = {
    { "bleu", "runs of 1 to 4 tokens, smoothed, short answers pay", false,
      false, bleu },
    { "chrf", "runs of 1 to 6 characters, recall counts double", false, true,
      chrf },
    { "edit", "1 - edit distance / length of the longer", false, false, edit },
    { "f1", "tokens in common, letters and digits only", true, false, rouge_1 },
    { "rouge-1", "tokens in common", false, false, rouge_1 },
    { "rouge-2", "pairs of tokens in common", false, false, rouge_2 },
    { "rouge-l", "longest common subsequence", false, false, rouge_l },
    { NULL, NULL, false, false, NULL },
};

const struct similarity *similarity_find(const char *name)
{
    for (const struct similarity *m = similarities; m->name; m++)
        if (!strcmp(m->name, name))
            return m;
    return NULL;
}
