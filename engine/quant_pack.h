/* Packs float32 weights into the blocks of each tensor type: quantising.  n is
 * a multiple of the block's elements; weights are finite and not beyond 65504
 * (F16, BF16: anything).  quant.c's table names these. */
#ifndef MK_QUANT_PACK_H
#define MK_QUANT_PACK_H

#include <stddef.h>

#define PACKED_TYPES(X)                                                        \
    X(f32)                                                                     \
    X(f16)                                                                     \
    X(bf16)                                                                    \
    X(q4_0)                                                                    \
    X(q4_1)                                                                    \
    X(q5_0)                                                                    \
    X(q5_1)                                                                    \
    X(q8_0)                                                                    \
    X(q2_k)                                                                    \
    X(q3_k)                                                                    \
    X(q4_k)                                                                    \
    X(q5_k)                                                                    \
    X(q6_k)                                                                    \
    X(iq4_nl)                                                                  \
    X(iq4_xs)
#define PACK_DECL(name) void pack_##name(const float *src, void *dst, size_t n);
PACKED_TYPES(PACK_DECL)
#undef PACK_DECL

#endif
