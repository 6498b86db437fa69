/* libmokao-engine: runs GGUF language models on CPU or GPU.
 *
 * A *model* is a mapped GGUF file: weights, tokenizer, chat template.  A
 * *context* holds what computing needs: a KV cache of a fixed number of
 * positions, scratch, threads.  A *sequence* is a row of tokens in the context;
 * a fork of a sequence shares its KV cache up to there.  mk_compute() appends
 * tokens to many sequences in one batch and gives logits only where asked for.
 * On top of it mk_jobs_run() does what an evaluation wants: it takes many
 * prompts, computes each common prefix once, and generates or scores.
 *
 * A result never depends on the batch it was computed in, on the number of
 * threads, or on what else the context holds: the bits are the same.
 *
 * Functions that can fail return 0 or an enum mk_status and write a message of
 * at most MK_ERR_LEN bytes to err (which may be NULL).  A model may be shared
 * by threads; a context is used by one thread at a time.
 *
 * This header includes only C headers; its names start with mk_. */
#ifndef MOKAO_ENGINE_H
#define MOKAO_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MK_ERR_LEN 240

enum mk_status {
    MK_OK,
    MK_EFORMAT, /* the file is no model we can run: message says why */
    MK_ELIMIT,  /* longer than the context, or a size beyond a limit */
    MK_ENOMEM,
    MK_EIO,
    MK_ENOENV,    /* no such file, no such device */
    MK_EUSAGE,    /* an argument is wrong (token id out of range ...) */
    MK_ECANCELLED /* a callback asked to stop */
};

/* --- models --------------------------------------------------------------- */

enum mk_activations {
    MK_ACT_Q8, /* activations as int8 in blocks of 32 with a float scale */
    MK_ACT_F32 /* exact: weights dequantised, float32 throughout */
};

struct mk_model_params {
    enum mk_activations activations;
    const char *device; /* "cpu", "ref" (plain C), "auto"; NULL: "auto" */
    bool vocab_only;    /* metadata and tokenizer, no weights */
    int n_threads;      /* 0: as many as there are cores */
};

struct mk_model;
/* Opens the GGUF file.  *out is the caller's, closed by mk_model_close(). */
int mk_model_open(struct mk_model **out, const char *path,
                  const struct mk_model_params *params, char *err);
void mk_model_close(struct mk_model *m);

struct mk_model_info {
    const char *arch;        /* general.architecture */
    const char *name;        /* general.name or "" */
    const char *file_type;   /* the tensor type with the most bytes: "Q4_K" */
    const char *device;      /* name of the backend in use */
    const char *tokenizer;   /* "gpt2/qwen2", "llama/default" */
    const char *chat;        /* name of the recognised chat template or "" */
    const char *chat_source; /* text of the file's own template or NULL */
    int32_t n_vocab, n_layer, n_embd, n_head, n_kv_head, head_dim, n_ctx_train;
    int32_t n_ctx_most; /* tokens of a sequence: as trained, or as far as the
                             file's rope scaling reaches; more are refused */
    int32_t bos, eos;   /* -1: none */
    bool add_bos;
    bool whole_prompt; /* tokens depend on the whole prompt: sequences that
                             share a part of one are refused */
    uint64_t n_params; /* elements of all tensors */
    uint64_t file_bytes;
    uint64_t weight_bytes;  /* held in memory beside the mapped file */
    uint64_t decode_bytes;  /* weight bytes read for one decoded token */
    uint64_t matmul_params; /* multiply-accumulates of one token */
    uint64_t kv_bytes;      /* KV cache bytes of one position */
    uint64_t n_tensors, n_meta;
};
/* Strings live as long as the model. */
const struct mk_model_info *mk_model_info(const struct mk_model *m);
/* Metadata entry i (0 ... n_meta-1): its key, its type's name, its value as
 * text cut to n bytes (arrays: type, count and the first elements). */
int mk_model_meta(const struct mk_model *m, size_t i, const char **key,
                  const char **type, char *value, size_t n);
/* Tensor i (0 ... n_tensors-1): name, type name, dims[4], bytes. */
int mk_model_tensor(const struct mk_model *m, size_t i, const char **name,
                    const char **type, int64_t dims[4], uint64_t *bytes);

/* --- tokens --------------------------------------------------------------- */

enum mk_tokenize_flags {
    MK_ADD_SPECIAL = 1,  /* BOS / EOS as the file's keys say */
    MK_PARSE_SPECIAL = 2 /* control tokens in the text become tokens; never for
                            text that comes from a test item */
};
/* Token ids of text (any bytes, NUL too).  Writes at most cap ids; *n is the
 * number there are (call again with more room if *n > cap). */
int mk_tokenize(const struct mk_model *m, const char *text, size_t len,
                unsigned flags, int32_t *ids, size_t cap, size_t *n, char *err);
/* Bytes that token id stands for in running text: 0 for control tokens unless
 * `special`.  Writes at most cap, returns the length there is. */
size_t mk_token_bytes(const struct mk_model *m, int32_t id, bool special,
                      char *out, size_t cap);
/* The vocabulary's own spelling ("Ġthe"), NULL if id is out of range. */
const char *mk_token_piece(const struct mk_model *m, int32_t id);
bool mk_token_is_stop(const struct mk_model *m, int32_t id);
/* Text of ids, a whole: leading space dropped as the tokenizer says. */
int mk_detokenize(const struct mk_model *m, const int32_t *ids, size_t n,
                  char *out, size_t cap, size_t *len, char *err);

struct mk_message {
    const char *role; /* "system", "user", "assistant" */
    const char *content;
};
/* The chat as token ids by the template called `name` (NULL: the model's own,
 * recognised one; "plain": contents only).  Contents are tokenised without
 * parsing special tokens.  add_generation appends the assistant's header. */
int mk_chat_ids(const struct mk_model *m, const char *name,
                const struct mk_message *msgs, size_t n_msgs,
                bool add_generation, int32_t *ids, size_t cap, size_t *n,
                char *err);
/* The same as text, for showing. *len is the length there is. */
int mk_chat_text(const struct mk_model *m, const char *name,
                 const struct mk_message *msgs, size_t n_msgs,
                 bool add_generation, char *out, size_t cap, size_t *len,
                 char *err);
/* Name of built-in chat template i, NULL past the last. */
const char *mk_chat_name(size_t i);

/* --- computing ------------------------------------------------------------ */

struct mk_ctx_params {
    int n_threads;      /* 0: the model's */
    size_t n_positions; /* KV cache positions of all sequences; 0: 4096 */
    size_t n_batch;     /* tokens computed at once at the most; 0: 256 */
};
struct mk_ctx;
int mk_ctx_open(struct mk_ctx **out, struct mk_model *m,
                const struct mk_ctx_params *params, char *err);
void mk_ctx_close(struct mk_ctx *c);
/* Bytes mk_ctx_open() would take. */
uint64_t mk_ctx_bytes(const struct mk_model *m,
                      const struct mk_ctx_params *params);

/* Sequences are small non-negative numbers. */
int mk_seq_new(struct mk_ctx *c, int32_t *seq, char *err);
/* dst holds the first n tokens of src (n <= its length) and shares their KV.
 * Where the model says whole_prompt, a part of a prompt cannot be kept, here and
 * by mk_seq_trim(). */
int mk_seq_fork(struct mk_ctx *c, int32_t src, size_t n, int32_t *dst,
                char *err);
size_t mk_seq_len(const struct mk_ctx *c, int32_t seq);
int mk_seq_trim(struct mk_ctx *c, int32_t seq, size_t n, char *err);
void mk_seq_free(struct mk_ctx *c, int32_t seq);
size_t mk_free_positions(const struct mk_ctx *c);

enum mk_want { MK_WANT_NONE, MK_WANT_LAST, MK_WANT_ALL };
struct mk_piece {
    int32_t seq;
    const int32_t *tokens; /* appended to seq */
    size_t n;
    size_t n_prompt;    /* of a sequence's first piece, where the model says
                              whole_prompt: tokens of the prompt, later pieces'
                              too; 0: all of this piece */
    enum mk_want want;  /* at which of these positions logits are wanted */
    const int32_t *ids; /* only these entries of the vocabulary ... */
    size_t n_ids;       /* ... or all of it when 0 */
    float *logits;      /* [wanted positions][n_ids or n_vocab], caller's */
};
/* Computes all pieces in one batch (split inside if longer than n_batch); a
 * sequence occurs once at most.  On failure no sequence has grown. */
int mk_compute(struct mk_ctx *c, const struct mk_piece *pieces, size_t n,
               char *err);

/* --- sampling ------------------------------------------------------------- */

struct mk_sampling {
    float temperature; /* 0: greedy */
    int32_t top_k;     /* 0: all */
    float top_p;       /* 1: all */
    uint64_t seed;
};
/* Chooses a token from logits[n_vocab] (left as they are).  *state is the
 * generator's (start it with the seed). Greedy ties go to the lower id. */
int32_t mk_sample(const float *logits, size_t n_vocab,
                  const struct mk_sampling *s, uint64_t *state);

/* --- jobs: many prompts at once ------------------------------------------- */

enum mk_finish {
    MK_FINISH_STOP,    /* an end token or a stop string */
    MK_FINISH_LENGTH,  /* max_tokens */
    MK_FINISH_CONTEXT, /* the context is full */
    MK_FINISH_SCORED,  /* a scoring job is done */
    MK_FINISH_ERROR    /* see the result's error: this job alone failed */
};

/* One continuation to score: tokens[from ... n) of the whole prompt+option. */
struct mk_option {
    const int32_t *tokens; /* prompt and continuation together */
    size_t n;
    size_t n_prompt; /* the first n_prompt tokens are not scored */
};

struct mk_job {
    /* generate: the prompt; score: unused */
    const int32_t *prompt;
    size_t n_prompt;
    size_t max_tokens;
    struct mk_sampling sampling;
    const char *const *stop; /* stop strings, not part of the text */
    size_t n_stop;
    bool keep_special; /* control tokens are part of the text */
    /* score: log-likelihood of each option; n_options > 0 makes it so */
    const struct mk_option *options;
    size_t n_options;
    /* called with each piece of new text (whole UTF-8 characters); false
     * cancels this job; may be NULL */
    bool (*on_text)(void *user, const char *text, size_t len);
    void *user;
};

struct mk_option_score {
    double logprob;  /* natural log, sum over the scored tokens */
    size_t n_tokens; /* scored */
    bool greedy;     /* every scored token was the likeliest one */
};

struct mk_result {
    enum mk_finish finish;
    int status; /* enum mk_status when finish is _ERROR */
    char error[MK_ERR_LEN];
    const char *text; /* generated text, NUL-terminated UTF-8 */
    size_t text_len;
    const int32_t *tokens; /* generated ids, the end token included */
    size_t n_tokens;
    double logprob;  /* of the generated tokens, summed */
    size_t n_prompt; /* tokens of the prompt (score: all, once) */
    size_t n_cached; /* of these, taken from a shared prefix */
    const struct mk_option_score *options; /* [n_options] */
    double margin; /* best minus second best option; generate: the
                                smallest top-1 minus top-2 logit on the way */
    int64_t prefill_ns, decode_ns; /* this job's share of the computing time */
};

struct mk_jobs {
    const struct mk_job *jobs;
    size_t n;
    /* called once for each job when it ends, in any order; what `r` points to
     * lives until it returns; false stops all */
    bool (*on_result)(void *user, size_t job, const struct mk_result *r);
    /* asked between steps: 0 go on, 1 finish the jobs under way and start no
     * new one, 2 stop at once; what is unfinished gets no result */
    int (*stop)(void *user);
    void *user;
    size_t n_parallel; /* sequences decoded together at the most; 0: 8 */
};
/* Runs all jobs: common prefixes of the token ids are computed once, prompts
 * are packed into batches, generation goes on in parallel.  A job that cannot
 * be run (too long) ends with MK_FINISH_ERROR; the others go on.  Returns
 * MK_ECANCELLED when stopped. */
int mk_jobs_run(struct mk_ctx *c, const struct mk_jobs *jobs, char *err);

/* --- writing another tensor type ------------------------------------------ */

/* A tensor that has been written. */
struct mk_quantized {
    const char *name;      /* lives until the callback returns */
    const char *from, *to; /* types: "F16", "Q4_K" */
    const char *why;       /* another type than was asked for; NULL: that one */
    uint64_t bytes_from, bytes_to;
    size_t i, n; /* tensor i of n */
};

struct mk_quantize_params {
    bool requantize; /* quantised tensors too; without, they are refused */
    bool replace;    /* out may exist */
    int n_threads;   /* 0: as many as there are cores */
    /* called after each tensor, in the file's order; false stops: no file is
     * left.  May be NULL */
    bool (*on_tensor)(void *user, const struct mk_quantized *t);
    void *user;
};

/* Writes the GGUF file `in` to `out` with its weights in `type` ("Q4_K", any
 * case).  Metadata are copied but for general.file_type and
 * general.quantization_version.  Not every tensor takes the type:
 *
 *   one dimension, norms, routers,    F32
 *   embeddings of positions
 *   the output matrix (output.weight, Q6_K if the type has fewer bits
 *   or token_embd.weight when tied)
 *   rows that are no multiple of 256  Q2_K: Q4_0, Q3_K, IQ4_XS: IQ4_NL,
 *                                     Q4_K: Q5_0, Q5_K: Q5_1, Q6_K: Q8_0
 *   rows that are no multiple of 32   F16
 *
 * A tensor that has its type already is copied.  The bytes depend on the
 * input alone.  out is written beside its place and renamed, so that it is
 * whole or not there; in and out may not be the same file. */
int mk_quantize(const char *in, const char *out, const char *type,
                const struct mk_quantize_params *params, char *err);
/* Name of the i-th type that can be written, NULL past the last. */
const char *mk_quantize_type(size_t i);

const char *mk_version(void);

#endif
