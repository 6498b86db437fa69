/* Loads a network: finds the family, reads hyper-parameters, opens weights.
 *
 * The file is untrusted here too: each number is held to sane bounds before it
 * is used, each tensor must have exactly the shape that the hyper-parameters
 * give, and every tensor of the file must have been asked for. */
#include "engine/net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/text.h"

#define MAX_LAYERS 1024
#define MAX_EMBD 65536
#define MAX_FF 131072
#define MAX_HEADS 1024
#define MAX_HEAD_DIM 1024
#define MAX_CTX (1 << 30)
#define MAX_VOCAB (1 << 22)
#define KEY_ROOM 128

#define ARCH_ENTRY(name) &arch_##name,
static const struct arch *const archs[] = { ARCHS(ARCH_ENTRY) };
#define N_ARCHS (sizeof archs / sizeof archs[0])

/* A matrix or a piece of device memory that the network must give back. */
struct held {
    struct held *next;
    struct be_mat *mat;
    void *mem;
};

/* "gemma3, llama, qwen2", cut to n bytes. */
static void list_archs(char *out, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < N_ARCHS && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%s%s", i ? ", " : "",
                               archs[i]->name);
}

const struct arch *arch_find(struct str name, struct err *e)
{
    char known[200];

    for (size_t i = 0; i < N_ARCHS; i++)
        if (str_is(name, archs[i]->name))
            return archs[i];
    list_archs(known, sizeof known);
    err_set(e, ERR_FORMAT,
            "models of the family \"%.*s\" are not supported; known are %s",
            (int)(name.n < 40 ? name.n : 40), name.p, known);
    return NULL;
}

void load_refuse(struct loader *l, const char *fmt, ...)
{
    char msg[200];
    va_list ap;

    if (l->rc)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    l->rc = err_set(l->e, ERR_FORMAT, "%s", msg);
}

static void no_memory(struct loader *l)
{
    if (!l->rc)
        l->rc = err_set(l->e, ERR_NOMEM, "no memory for the weights");
}

void load_spare(struct loader *l, size_t floats)
{
    if (floats > l->net->spare)
        l->net->spare = floats;
}

void *load_alloc(struct loader *l, size_t n, size_t size)
{
    void *p = l->rc ? NULL : arena_array(&l->net->arena, n, size);

    if (!p)
        no_memory(l);
    return p;
}

/* --- hyper-parameters ----------------------------------------------------- */

static const char *full_key(const struct loader *l, const char *key,
                            char out[KEY_ROOM])
{
    snprintf(out, KEY_ROOM, "%s.%s", l->net->arch->name, key);
    return out;
}

static void same_for_all_layers(struct loader *l, const struct gguf_meta *m,
                                int min, int max, int *out)
{
    int32_t first;

    if ((m->elem != GGUF_I32 && m->elem != GGUF_U32) || m->count == 0) {
        load_refuse(l, "key %.*s: expected an integer or one for each layer",
                    STR_FMT(m->key));
        return;
    }
    first = gguf_i32_at(m, 0);
    for (uint64_t i = 1; i < m->count; i++)
        if (gguf_i32_at(m, i) != first)
            load_refuse(l,
                        "key %.*s differs from layer to layer, which is "
                        "not supported",
                        STR_FMT(m->key));
    if (first < min || first > max)
        load_refuse(l, "key %.*s is %d, expected %d to %d", STR_FMT(m->key),
                    first, min, max);
    *out = first;
}

void load_int(struct loader *l, const char *key, int min, int max, int *out)
{
    char full[KEY_ROOM];
    const struct gguf_meta *m;
    int64_t v = *out;

    if (l->rc)
        return;
    m = gguf_meta(l->net->gguf, full_key(l, key, full));
    if (m && m->type == GGUF_ARR) {
        same_for_all_layers(l, m, min, max, out);
        return;
    }
    l->rc = gguf_int(l->net->gguf, full, min, max, &v, l->e);
    if (!l->rc)
        *out = (int)v;
}

void load_int_must(struct loader *l, const char *key, int min, int max,
                   int *out)
{
    char full[KEY_ROOM];

    if (!gguf_meta(l->net->gguf, full_key(l, key, full)))
        load_refuse(l, "key %s is missing", full);
    load_int(l, key, min, max, out);
}

void load_float_or_zero(struct loader *l, const char *key, float *out)
{
    char full[KEY_ROOM];
    float v = *out;

    if (l->rc)
        return;
    l->rc = gguf_float(l->net->gguf, full_key(l, key, full), &v, l->e);
    if (!l->rc && !(v >= 0 && v <= 3e38f))
        load_refuse(l, "key %s is %g, expected a number above 0", full,
                    (double)v);
    else
        *out = v;
}

void load_float(struct loader *l, const char *key, float *out)
{
    char full[KEY_ROOM];
    float v = *out;

    load_float_or_zero(l, key, &v);
    if (!l->rc && gguf_meta(l->net->gguf, full_key(l, key, full)) && !(v > 0))
        load_refuse(l, "key %s is 0, expected a number above 0", full);
    else
        *out = v;
}

void load_bool(struct loader *l, const char *key, bool *out)
{
    char full[KEY_ROOM];

    if (!l->rc)
        l->rc = gguf_bool(l->net->gguf, full_key(l, key, full), out, l->e);
}

void load_str(struct loader *l, const char *key, struct str *out)
{
    char full[KEY_ROOM];

    if (!l->rc)
        l->rc = gguf_str(l->net->gguf, full_key(l, key, full), out, l->e);
}

static void load_heads(struct loader *l, struct hparams *h)
{
    load_int_must(l, "attention.head_count", 1, MAX_HEADS, &h->n_head);
    h->n_kv_head = h->n_head;
    load_int(l, "attention.head_count_kv", 1, MAX_HEADS, &h->n_kv_head);
    if (l->rc)
        return;
    if (h->n_head % h->n_kv_head != 0)
        load_refuse(l, "%d heads cannot share %d key heads", h->n_head,
                    h->n_kv_head);
    h->k_dim = h->v_dim = h->n_embd / h->n_head;
    load_int(l, "attention.key_length", 1, MAX_HEAD_DIM, &h->k_dim);
    load_int(l, "attention.value_length", 1, MAX_HEAD_DIM, &h->v_dim);
    if (h->k_dim < 1 || h->v_dim < 1 || h->k_dim > MAX_HEAD_DIM)
        load_refuse(l, "%d heads do not fit %d columns", h->n_head, h->n_embd);
    h->n_rot = h->k_dim;
    load_int(l, "rope.dimension_count", 2, h->k_dim, &h->n_rot);
    if (h->n_rot % 2 != 0)
        load_refuse(l, "%d rotated dimensions, expected an even number",
                    h->n_rot);
}

void load_hparams(struct loader *l, const char *eps_key)
{
    struct net *n = l->net;
    struct hparams *h = &n->h;
    char full[KEY_ROOM];

    load_int_must(l, "block_count", 1, MAX_LAYERS, &h->n_layer);
    load_int_must(l, "embedding_length", 1, MAX_EMBD, &h->n_embd);
    load_int_must(l, "feed_forward_length", 1, MAX_FF, &h->n_ff);
    load_int_must(l, "context_length", 1, MAX_CTX, &h->n_ctx_train);
    load_heads(l, h);
    load_float(l, eps_key, &h->eps);
    if (!l->rc && h->eps <= 0)
        load_refuse(l, "key %s is missing", full_key(l, eps_key, full));
    if (l->rc)
        return;
    h->attn_scale = 1.0f / sqrtf((float)h->k_dim);
    n->layers = load_alloc(l, (size_t)h->n_layer, sizeof *n->layers);
}

void load_layers(struct loader *l,
                 void (*one)(struct loader *l, struct layer *w))
{
    for (int i = 0; !l->rc && i < l->net->h.n_layer; i++) {
        l->layer = i;
        one(l, &l->net->layers[i]);
    }
    l->layer = -1;
}

/* --- tensors -------------------------------------------------------------- */

static const char *full_name(const struct loader *l, const char *name,
                             const char *suffix, char out[KEY_ROOM])
{
    if (l->layer >= 0)
        snprintf(out, KEY_ROOM, "blk.%d.%s%s", l->layer, name, suffix);
    else
        snprintf(out, KEY_ROOM, "%s%s", name, suffix);
    return out;
}

bool load_has(const struct loader *l, const char *name)
{
    char full[KEY_ROOM];
    return gguf_tensor(l->net->gguf, full_name(l, name, "", full)) != NULL;
}

/* The tensor of exactly that shape; NULL when the load has failed. */
static const struct gguf_tensor *find_planes(struct loader *l, const char *name,
                                             const char *suffix, int64_t n,
                                             int64_t rows, int64_t cols)
{
    char full[KEY_ROOM];
    const struct gguf_tensor *t =
        gguf_tensor(l->net->gguf, full_name(l, name, suffix, full));

    if (!t)
        load_refuse(l, "tensor %s is missing", full);
    else if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != n ||
             t->dims[3] != 1)
        load_refuse(l,
                    "tensor %s is %lld x %lld x %lld x %lld, expected %lld "
                    "x %lld x %lld",
                    full, (long long)t->dims[0], (long long)t->dims[1],
                    (long long)t->dims[2], (long long)t->dims[3],
                    (long long)cols, (long long)rows, (long long)n);
    if (l->rc)
        return NULL;
    l->used[t - gguf_tensor_at(l->net->gguf, 0)] = true;
    return t;
}

static const struct gguf_tensor *find(struct loader *l, const char *name,
                                      const char *suffix, int64_t rows,
                                      int64_t cols)
{
    return find_planes(l, name, suffix, 1, rows, cols);
}

static void hold(struct loader *l, struct be_mat *mat, void *mem)
{
    struct net *n = l->net;
    struct held *h = arena_alloc(&n->arena, sizeof *h);

    if (h) {
        *h = (struct held){ n->held, mat, mem };
        n->held = h;
        return;
    }
    if (mat)
        n->ops->mat_close(n->be, mat);
    n->ops->free(n->be, mem);
    no_memory(l);
}

static struct be_mat *open_mat(struct loader *l, const struct gguf_tensor *t,
                               int64_t first_row, int64_t rows)
{
    struct net *n = l->net;
    struct be_mat *mat = NULL;

    if (l->rc)
        return NULL;
    l->rc = n->ops->mat_open(n->be, &mat, t, first_row, rows, l->e);
    if (l->rc)
        return NULL;
    n->weight_bytes += n->ops->mat_bytes(mat);
    hold(l, mat, NULL);
    return l->rc ? NULL : mat;
}

/* What a token reads and multiplies for a matrix of so many rows of t. */
static void count_product(struct net *n, const struct gguf_tensor *t,
                          const struct be_mat *mat, int64_t rows)
{
    uint64_t own = n->ops->mat_bytes(mat);
    uint64_t all = (uint64_t)(t->dims[1] * t->dims[2]);

    n->decode_bytes += own ? own : t->bytes / all * (uint64_t)rows;
    n->matmul_params += (uint64_t)t->dims[0] * (uint64_t)rows;
}

/* Copies float32 values to the device. */
static float *upload(struct loader *l, const float *host, size_t bytes)
{
    struct net *n = l->net;
    void *dev = NULL;

    l->rc = n->ops->alloc(n->be, &dev, bytes, l->e);
    if (l->rc)
        return NULL;
    n->ops->upload(n->be, dev, host, bytes);
    n->weight_bytes += bytes;
    n->decode_bytes += bytes;
    hold(l, NULL, dev);
    return l->rc ? NULL : dev;
}

/* n values from number `first` on of a vector of `all`, as float32 in dst. */
static void read_vector(struct loader *l, const char *name, const char *suffix,
                        int all, int first, int n, float *dst)
{
    const struct gguf_tensor *t = find(l, name, suffix, 1, all);
    const struct quant_type *type;

    if (!t)
        return;
    type = quant_type((int)t->type);
    if (type->unpack)
        load_refuse(l, "tensor %.*s is %s, expected F32, F16 or BF16",
                    STR_FMT(t->name), type->name);
    else
        type->dequantise(t->data + (size_t)first * (size_t)type->block_bytes,
                         dst, (size_t)n);
}

float *load_vector(struct loader *l, const char *name, const char *suffix,
                   int n)
{
    float *host = load_alloc(l, (size_t)n, sizeof *host);

    if (host)
        read_vector(l, name, suffix, n, 0, n, host);
    return l->rc ? NULL : host;
}

/* The same, or a part of one, on the device. */
static float *open_vector(struct loader *l, const char *name,
                          const char *suffix, int all, int first, int n)
{
    size_t bytes = (size_t)n * sizeof(float);
    float *host, *dev = NULL;

    if (l->rc)
        return NULL;
    host = mem_alloc(bytes);
    if (!host)
        no_memory(l);
    else
        read_vector(l, name, suffix, all, first, n, host);
    if (!l->rc)
        dev = upload(l, host, bytes);
    mem_free(host);
    return dev;
}

static bool has_bias(const struct loader *l, const char *name,
                     enum load_bias bias)
{
    char full[KEY_ROOM];

    return bias == BIAS_MUST ||
           (bias == BIAS_MAY &&
            gguf_tensor(l->net->gguf, full_name(l, name, ".bias", full)));
}

const struct gguf_tensor *load_tensor(struct loader *l, const char *name,
                                      int rows, int cols)
{
    return find(l, name, ".weight", rows, cols);
}

struct be_mat *load_rows(struct loader *l, const struct gguf_tensor *t,
                         int first_row, int rows)
{
    struct be_mat *mat = open_mat(l, t, first_row, rows);

    if (mat)
        count_product(l->net, t, mat, rows);
    return mat;
}

struct be_mat *load_floats(struct loader *l, const float *x, int rows, int cols)
{
    struct gguf_tensor t = { .name = STR("a matrix made at loading"),
                             .type = GGML_F32,
                             .n_dims = 2,
                             .dims = { cols, rows, 1, 1 },
                             .data = (const unsigned char *)x };

    t.bytes = (uint64_t)rows * (uint64_t)cols * sizeof *x;
    return l->rc ? NULL : load_rows(l, &t, 0, rows);
}

void load_parts(struct loader *l, const char *name,
                const struct load_part *parts, size_t n, int cols,
                enum load_bias bias)
{
    const struct gguf_tensor *t;
    int all = 0, first = 0;

    for (size_t i = 0; i < n; i++)
        all += parts[i].rows;
    t = find(l, name, ".weight", all, cols);
    for (size_t i = 0; t && !l->rc && i < n; first += parts[i++].rows) {
        struct linear *w = parts[i].out;

        w->mat = load_rows(l, t, first, parts[i].rows);
        if (has_bias(l, name, bias))
            w->bias = open_vector(l, name, ".bias", all, first, parts[i].rows);
    }
}

void load_linear(struct loader *l, struct linear *out, const char *name,
                 int rows, int cols, enum load_bias bias)
{
    load_parts(l, name, &(struct load_part){ out, rows }, 1, cols, bias);
}

struct linear *load_planes(struct loader *l, const char *name, int n,
                           int n_used, int rows, int cols)
{
    const struct gguf_tensor *t =
        find_planes(l, name, ".weight", n, rows, cols);
    struct linear *w = load_alloc(l, (size_t)n, sizeof *w);

    for (int i = 0; t && !l->rc && i < n; i++) {
        w[i].mat = open_mat(l, t, (int64_t)i * rows, rows);
        if (!l->rc && i < n_used)
            count_product(l->net, t, w[i].mat, rows);
    }
    return w;
}

void load_norm(struct loader *l, struct norm *out, const char *name,
               enum be_norm_kind kind, int n)
{
    out->kind = kind;
    out->weight = open_vector(l, name, ".weight", n, 0, n);
    if (kind == BE_NORM_LAYER)
        out->bias = open_vector(l, name, ".bias", n, 0, n);
}

static void load_embedding(struct loader *l)
{
    struct net *n = l->net;
    const struct gguf_tensor *t = gguf_tensor(n->gguf, "token_embd.weight");

    if (t && t->dims[1] > MAX_VOCAB)
        load_refuse(l, "token_embd.weight has more than %d rows", MAX_VOCAB);
    t = find(l, "token_embd", ".weight", t ? t->dims[1] : 0, n->h.n_embd);
    if (!t)
        return;
    n->h.n_vocab = (int)t->dims[1];
    n->embd = open_mat(l, t, 0, t->dims[1]);
    if (l->rc || load_has(l, "output.weight"))
        return;
    n->output.mat = n->embd;
    count_product(n, t, n->embd, t->dims[1]);
}

void load_positions(struct loader *l)
{
    struct net *n = l->net;
    int rows = n->h.n_ctx_train;
    const struct gguf_tensor *t;

    l->layer = -1;
    t = find(l, "position_embd", ".weight", rows, n->h.n_embd);
    if (!t)
        return;
    n->h.n_pos = rows;
    n->spare_host = sizeof(int32_t);
    n->pos_embd = open_mat(l, t, 0, rows);
}

void load_ends(struct loader *l, enum be_norm_kind kind)
{
    struct net *n = l->net;

    l->layer = -1;
    load_embedding(l);
    load_norm(l, &n->out_norm, "output_norm", kind, n->h.n_embd);
    if (!l->rc && !n->output.mat)
        load_linear(l, &n->output, "output", n->h.n_vocab, n->h.n_embd,
                    BIAS_NONE);
}

/* --- the whole ------------------------------------------------------------ */

static void check_all_used(struct loader *l)
{
    for (size_t i = 0; !l->rc && i < gguf_n_tensors(l->net->gguf); i++)
        if (!l->used[i])
            load_refuse(l,
                        "tensor %.*s is not part of a %s model as it is "
                        "known here",
                        STR_FMT(gguf_tensor_at(l->net->gguf, i)->name),
                        l->net->arch->name);
}

/* Where the family has not said how far it reaches.  A file whose rope is
 * stretched names the length before or behind, so the larger counts. */
static void set_reach(struct loader *l)
{
    struct hparams *h = &l->net->h;
    int trained = 0;
    float factor = 1;

    load_int(l, "rope.scaling.original_context_length", 1, MAX_CTX, &trained);
    load_float(l, "rope.scaling.factor", &factor);
    if (l->rc || h->n_pos > 0)
        return;
    h->n_pos = h->n_ctx_train;
    if ((double)trained * (double)factor > (double)h->n_pos)
        h->n_pos = (int)fminf((float)trained * factor, (float)MAX_CTX);
}

static enum err_code load(struct net *n, struct err *e)
{
    struct loader l = { .net = n, .layer = -1, .e = e };

    l.used = mem_array(gguf_n_tensors(n->gguf), sizeof *l.used);
    if (!l.used)
        return err_set(e, ERR_NOMEM, "no memory for the weights");
    n->arch->load(&l);
    set_reach(&l);
    check_all_used(&l);
    mem_free(l.used);
    return l.rc;
}

enum err_code net_open(struct net **out, const struct gguf *g,
                       const struct backend *ops, struct be *be, struct err *e)
{
    struct str name = { "", 0 };
    struct net *n;
    enum err_code rc = gguf_str(g, "general.architecture", &name, e);
    const struct arch *arch = rc ? NULL : arch_find(name, e);

    *out = NULL;
    if (!arch)
        return rc ? rc : ERR_FORMAT;
    n = mem_zalloc(sizeof *n);
    if (!n)
        return err_set(e, ERR_NOMEM, "no memory for the network");
    arena_init(&n->arena, 0);
    n->arch = arch;
    n->gguf = g;
    n->ops = ops;
    n->be = be;
    rc = load(n, e);
    if (rc) {
        net_close(n);
        return rc;
    }
    *out = n;
    return ERR_OK;
}

void net_close(struct net *n)
{
    if (!n)
        return;
    for (struct held *h = n->held; h; h = h->next) {
        if (h->mat)
            n->ops->mat_close(n->be, h->mat);
        n->ops->free(n->be, h->mem);
    }
    arena_free(&n->arena);
    mem_free(n);
}

struct be_kv_params net_kv_params(const struct net *n, size_t n_blocks)
{
    return (struct be_kv_params){ n->h.n_layer, n->h.n_kv_head, n->h.k_dim,
                                  n->h.v_dim, n_blocks };
}
