/* The AVX2 backend: its table, its memory.
 *
 * The files backend_avx2*.c are compiled for AVX2, FMA and F16C; of all their
 * functions only available() runs on a processor without them.  Elsewhere than
 * on x86-64 the row is there and never available. */
#include "engine/backend_avx2.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/base/mem.h"

#if defined(__AVX2__)
#include <cpuid.h>

#define LINE ((size_t)64)
#define HUGE_PAGE ((size_t)2 << 20)
#define CHUNK ((size_t)64 << 20)

/* F16C by its bit: not every compiler knows it by name. */
static bool available(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* --- memory --------------------------------------------------------------- */

/* The pointer that mem_zalloc() gave lies just below the aligned one.  Large
 * pieces begin at a huge page: reading weights through 4 KiB pages costs a
 * third of the bandwidth. */
void *avx2_alloc(size_t bytes)
{
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE, room;
    unsigned char *raw, *p;

    if (__builtin_add_overflow(bytes, align + sizeof raw, &room))
        return NULL;
    raw = mem_zalloc(room);
    if (!raw)
        return NULL;
    p = raw + sizeof raw;
    p += (align - (uintptr_t)p % align) % align;
    memcpy(p - sizeof raw, &raw, sizeof raw);
    if (bytes >= HUGE_PAGE) /* a wish: without it all is well, but slower */
        (void)madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

void avx2_free(void *p)
{
    unsigned char *raw;

    if (!p)
        return;
    memcpy(&raw, (unsigned char *)p - sizeof raw, sizeof raw);
    mem_free(raw);
}

/* Panels are taken from chunks, for most matrices are smaller than a huge
 * page.  What is never packed is never touched and takes no memory. */
struct weight_chunk {
    struct weight_chunk *next;
    unsigned char *data;
    size_t size, taken;
};

static struct weight_chunk *new_chunk(size_t size)
{
    struct weight_chunk *c = mem_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->size = size;
    c->data = avx2_alloc(size);
    if (c->data)
        return c;
    mem_free(c);
    return NULL;
}

unsigned char *avx2_weight_alloc(struct be *b, size_t bytes)
{
    struct weight_chunk *c = b->chunks;
    size_t size = (bytes + LINE - 1) / LINE * LINE;

    if (!c || c->size - c->taken < size) {
        c = new_chunk(size > CHUNK ? size : CHUNK);
        if (!c)
            return NULL;
        c->next = b->chunks;
        b->chunks = c;
    }
    c->taken += size;
    return c->data + c->taken - size;
}

static enum err_code alloc(struct be *b, void **p, size_t bytes, struct err *e)
{
    (void)b;
    *p = avx2_alloc(bytes);
    return *p ? ERR_OK : err_set(e, ERR_NOMEM, "no memory: %zu bytes", bytes);
}

static void release(struct be *b, void *p)
{
    (void)b;
    avx2_free(p);
}

static void move(struct be *b, void *dst, const void *src, size_t bytes)
{
    (void)b;
    memcpy(dst, src, bytes);
}

/* --- opening -------------------------------------------------------------- */

static void close(struct be *b)
{
    if (!b)
        return;
    while (b->chunks) {
        struct weight_chunk *c = b->chunks;
        b->chunks = c->next;
        avx2_free(c->data);
        mem_free(c);
    }
    for (size_t i = 0; i < ROPE_SETS; i++) {
        avx2_free(b->rope[i].cos_sin);
        avx2_free(b->rope[i].inv_freq);
        avx2_free(b->rope[i].pos);
    }
    avx2_free(b->scratch);
    avx2_free(b->panel_scratch);
    avx2_free(b->thread_scratch);
    mem_free(b);
}

/* The angles of a batch: [row][n_rot] floats, and what they were made of. */
static bool open_rope(struct rope_set *s)
{
    s->cos_sin = avx2_alloc(sizeof(float) * ROPE_ROWS * AVX2_MAX_HEAD);
    s->inv_freq = avx2_alloc(sizeof(float) * AVX2_MAX_HEAD);
    s->pos = avx2_alloc(sizeof(int32_t) * ROPE_ROWS);
    return s->cos_sin && s->inv_freq && s->pos;
}

static enum err_code open(struct be **out, const struct be_params *p,
                          struct err *e)
{
    struct be *b = mem_zalloc(sizeof *b);
    bool ok = b != NULL;

    *out = NULL;
    if (b) {
        b->pool = p->pool;
        b->f32 = p->f32;
        b->scratch = avx2_alloc(AVX2_SCRATCH);
        b->panel_scratch = avx2_alloc(AVX2_PANEL_SCRATCH);
        b->thread_scratch =
            avx2_alloc((size_t)pool_threads(p->pool) * AVX2_THREAD_SCRATCH);
        ok = b->scratch && b->panel_scratch && b->thread_scratch;
        for (size_t i = 0; i < ROPE_SETS; i++)
            ok = ok && open_rope(&b->rope[i]);
    }
    if (ok) {
        *out = b;
        return ERR_OK;
    }
    close(b);
    return err_set(e, ERR_NOMEM, "no memory for the avx2 backend");
}

const struct backend backend_avx2 = {
    .name = "avx2",
    .doc = "x86-64 with AVX2, FMA and F16C, on all threads",
    .available = available,
    .open = open,
    .close = close,
    .alloc = alloc,
    .free = release,
    .upload = move,
    .download = move,
    .mat_open = avx2_mat_open,
    .mat_close = avx2_mat_close,
    .mat_bytes = avx2_mat_bytes,
    .embed = avx2_embed,
    .matmul = avx2_matmul,
    .matmul_rows = avx2_matmul_rows,
    .norm = avx2_norm,
    .rope = avx2_rope,
    .glu = avx2_glu,
    .add = avx2_add,
    .gather = avx2_gather,
    .scatter = avx2_scatter,
    .copy = avx2_copy,
    .kv_open = avx2_kv_open,
    .kv_close = avx2_kv_close,
    .kv_bytes = avx2_kv_bytes,
    .kv_put = avx2_kv_put,
    .kv_copy = avx2_kv_copy,
    .attention = avx2_attention,
};

#else

static bool available(void)
{
    return false;
}

const struct backend backend_avx2 = {
    .name = "avx2",
    .doc = "x86-64 with AVX2, FMA and F16C, on all threads",
    .available = available,
};
#endif
