/* Junk: random bytes and texts, and short texts over and over. */
#include "tests/junk.h"

#include <time.h>

#include "harness/base/text.h"

uint32_t junk_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void add_byte(struct buf *b, uint32_t r)
{
    buf_char(b, (char)r);
}

static void add_word(struct buf *b, uint32_t r)
{
    static const char *const words[] = {
        "答案",     "是", "选", "A",      "B",    "，",
        "。",       "\n", "不", "错误",   "1",    "=",
        "\\boxed{", "【", "】", "-",      "正确", "The answer is ",
        "C",        " ",  "万", "三分之", "%",    "\xff",
    };

    if (r % 3)
        buf_str(b, words[r / 3 % (sizeof(words) / sizeof(*words))]);
    else
        buf_char(b, (char)(r >> 4));
}

static void add_rune(struct buf *b, int32_t rune)
{
    char utf8[4];

    buf_add(b, utf8, text_encode(rune, utf8));
}

static void add_ascii(struct buf *b, uint32_t r)
{
    buf_char(b, (char)(r % 96 == 95 ? '\n' : ' ' + r % 96));
}

static void add_han(struct buf *b, uint32_t r)
{
    add_rune(b, (int32_t)(0x4E00 + r % (0x9FA6 - 0x4E00)));
}

/* All planes: surrogates and what lies beyond give nothing. */
static void add_any_rune(struct buf *b, uint32_t r)
{
    add_rune(b, (int32_t)(r % 0x110000));
}

/* A text as people write it, as far as its marks go. */
static void add_prose(struct buf *b, uint32_t r)
{
    static const char *const marks[] = { "，", "。", "！", "\n", "\n\n", "：" };

    if (r % 11 == 0)
        buf_str(b, marks[r / 11 % 6]);
    else
        add_han(b, r / 11);
}

static const struct {
    const char *name;
    void (*add)(struct buf *b, uint32_t r);
} kinds[] = {
    { "random bytes", add_byte },     { "random words", add_word },
    { "random ASCII", add_ascii },    { "random Han", add_han },
    { "random UTF-8", add_any_rune }, { "random prose", add_prose },
};
enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

/* Repeated to the full size. */
static const char *const repeats[] = {
    "A",
    "答案是A，",
    "答案是A。",
    "答案是",
    "选B",
    "A正确",
    "答案是=1",
    "【1】",
    "排除A\n",
    "一",
    "第万亿",
    "A\n",
    "(",
    "((((",
    "\\boxed{",
    "【答案】",
    "A,B,C,D",
    "不",
    "A、",
    "**A",
    "选项A是",
    "A. x\nB. y\n",
    "综上所述，",
    "A项错误，",
    "{\"a\":",
    "[[",
    "\\frac{1}{",
    "1+",
    " ",
    "\n",
    "1",
    "1234567890",
    "北京",
    "答案",
    "A：正确\n",
    "1. A ",
    "所以 x=1，",
    "\xF0\x9F",
    "```\n",
    "2024年3月5日",
    "SELECT ",
    "|a|b\n",
    "<tool_call>",
    "春夏秋冬，",
    "ab ",
    "(\n",
    "*\n",
    "$(\n-\n",
    "#\n",
    "\n x",
    "1\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
    "\\sin ",
    "1A",
    "《a》",
    "...",
};
enum { N_REPEATS = sizeof(repeats) / sizeof(*repeats) };

const char *junk_name(size_t i)
{
    if (i < N_KINDS)
        return kinds[i].name;
    return i < N_KINDS + N_REPEATS ? repeats[i - N_KINDS] : NULL;
}

void junk_fill(struct buf *b, size_t n, size_t i)
{
    uint32_t seed = 42;

    while (b->n < n && !b->failed) {
        if (i < N_KINDS)
            kinds[i].add(b, junk_random(&seed));
        else
            buf_str(b, repeats[i - N_KINDS]);
    }
}

double junk_cpu_ms(void)
{
    struct timespec t = { 0, 0 };

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}
