/* What the tokenizer's files share: the vocabulary's tables and the row that a
 * kind of tokenizer is.  A new kind is one file and one X(name) below. */
#ifndef MK_VOCAB_KIND_H
#define MK_VOCAB_KIND_H

#include "engine/vocab.h"
#include "engine/vocab_merge.h"
#include "harness/base/buf.h"

/* tokenizer.ggml.token_type */
enum token_type {
    TOKEN_NONE,
    TOKEN_NORMAL,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER,
    TOKEN_UNUSED,
    TOKEN_BYTE,
    TOKEN_N_TYPES
};

/* Tokens of one length that are cut out of a text before it is encoded. */
struct special_len {
    uint32_t len;
    bool user;               /* one of them is user-defined */
    unsigned char first[32]; /* bit set of their first bytes */
};

struct vocab {
    struct vocab_info info;
    char name[64];
    char *chat_source;
    const struct vocab_kind *kind;
    void *model; /* the kind's own */
    int32_t unk; /* -1: none */
    bool add_space_prefix;
    bool codes_blanks;              /* vocab_blanks.c */
    uint32_t *start;                /* [n_tokens + 1] offsets in text */
    char *text;                     /* all spellings, each followed by a NUL */
    unsigned char *type;            /* enum token_type, TOKEN_STOP may be set */
    const struct gguf_meta *scores; /* NULL: the file has none */
    uint64_t *slot;                 /* hash << 32 | id + 1; 0: empty */
    uint64_t mask;
    uint32_t longest;            /* bytes of the longest spelling */
    struct special_len *special; /* longest first */
    size_t n_special;
};
#define TOKEN_STOP 0x80

/* One call of vocab_tokenize(). */
struct encoder {
    const struct vocab *v;
    struct ids *out;
    struct merger m;
    struct buf text; /* the piece as the model wants it */
};

struct vocab_kind {
    const char *name;                        /* tokenizer.ggml.model */
    bool add_bos, add_eos, add_space_prefix; /* defaults of the keys */
    bool scores;                             /* the key is needed */
    bool blanks;           /* of a vocabulary that has tokens for them */
    int32_t bos, eos, unk; /* defaults of the keys */
    /* pre: the pre-tokenizer's name, "" when the file has none; it may set
     * v->name and the defaults of info */
    enum err_code (*open)(struct vocab *v, const struct gguf *g, struct str pre,
                          struct err *e);
    void (*close)(struct vocab *v);
    /* Appends the ids of a piece without special tokens: the whole text, or
     * what stands before, between or after them. */
    enum err_code (*encode)(struct encoder *x, struct str piece, struct err *e);
    /* Running text of a normal, unused or byte token. */
    size_t (*bytes)(const struct vocab *v, int32_t id, char *out, size_t cap);
};

#define VOCAB_KINDS(X)                                                         \
    X(gpt2)                                                                    \
    X(llama)                                                                   \
    X(t5)
#define VOCAB_KIND_DECL(name) extern const struct vocab_kind vocab_##name;
VOCAB_KINDS(VOCAB_KIND_DECL)
#undef VOCAB_KIND_DECL

/* vocab_open() with another pre-tokenizer than the file's; NULL: the file's. */
enum err_code vocab_open_pre(struct vocab **out, const struct gguf *g,
                             const char *pre, struct err *e) MUST_CHECK;

static inline struct str vocab_text(const struct vocab *v, int32_t id)
{
    uint32_t at = v->start[id];

    return (struct str){ v->text + at, v->start[id + 1] - at - 1 };
}

static inline enum token_type vocab_type(const struct vocab *v, int32_t id)
{
    return (enum token_type)(v->type[id] & ~TOKEN_STOP);
}

/* A hash that grows byte by byte, so that the prefixes of a text, and the two
 * halves of a merge, need no second pass (FNV-1a, 64 bits). */
#define VOCAB_HASH 0xcbf29ce484222325u
#define VOCAB_MIX 0x9e3779b97f4a7c15u /* spreads it over the slots */
static inline uint64_t vocab_hash(uint64_t h, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
    return h;
}
/* Asks for the memory that vocab_lookup() will want.  A vocabulary is larger
 * than the caches: when it is read, waiting for memory is most of the time. */
static inline void vocab_prefetch(const struct vocab *v, uint64_t h)
{
    __builtin_prefetch(&v->slot[h * VOCAB_MIX >> 32 & v->mask]);
}
#define VOCAB_AHEAD 8 /* entries to be asked for in advance */
/* The id of the spelling that h is the hash of, -1 if there is none. */
int32_t vocab_lookup(const struct vocab *v, uint64_t h, struct str s);

/* Ids of "<0x00>" ... "<0xFF>" (type byte), -1 where there is none. */
void vocab_byte_ids(const struct vocab *v, int32_t ids[256]);
/* Running text of a SentencePiece token: U+2581 is a space, <0xHH> a byte. */
size_t vocab_spm_bytes(const struct vocab *v, int32_t id, char *out,
                       size_t cap);
#define VOCAB_SPACE "\xE2\x96\x81" /* U+2581, a space in SentencePiece */
/* x->text = the piece with its prefix, spaces as U+2581, blanks coded. */
enum err_code vocab_spm_text(struct encoder *x, struct str piece,
                             struct err *e) MUST_CHECK;
/* Whether line ends, tabs and runs of spaces are tokens, as in ChatGLM-6B. */
bool vocab_codes_blanks(const struct vocab *v);
/* How many of *c a token of that spelling stands for, 0 if it is no such. */
size_t vocab_blanks_of(struct str s, char *c);
/* Appends s to x->text with those tokens' spellings in it. */
void vocab_code_blanks(struct encoder *x, struct str s);
/* The bytes of s as byte tokens, else the unknown token once. */
void vocab_fallback(struct encoder *x, const int32_t byte_id[256],
                    struct str s);

/* Fills v->special, when the tokens and their types are known. */
enum err_code vocab_index_specials(struct vocab *v, struct err *e) MUST_CHECK;

/* A text of which parts come from outside: in content spans no control token
 * is found.  Spans are in order and do not overlap. */
struct vocab_span {
    size_t from, to;
};
enum err_code vocab_tokenize_mixed(const struct vocab *v, struct str text,
                                   const struct vocab_span *content,
                                   size_t n_content, unsigned flags,
                                   struct ids *out, struct err *e) MUST_CHECK;

#endif
