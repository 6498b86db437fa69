/* The public face of the tokenizer: room, lengths, errors. */
#include <string.h>

#include "engine/engine.h"
#include "tests/t.h"

static struct mk_model *model;
static char err[MK_ERR_LEN];

static void open_model(void)
{
    static const struct mk_model_params p = { .vocab_only = true };

    ck_assert_msg(mk_model_open(&model, "tests/golden/tiny/llama2-gqa.gguf", &p,
                                err) == MK_OK,
                  "%s", err);
}

static void close_model(void)
{
    mk_model_close(model);
}

START_TEST(ids_are_counted_when_there_is_no_room)
{
    static const char text[] = "a\0中";
    int32_t ids[64], few[2] = { -7, -7 };
    size_t n, m;

    ck_assert_int_eq(
        mk_tokenize(model, text, 5, MK_ADD_SPECIAL, ids, 64, &n, err), MK_OK);
    ck_assert_uint_gt(n, 2);
    ck_assert_uint_lt(n, 64);
    ck_assert_int_eq(ids[0], mk_model_info(model)->bos);
    ck_assert_int_eq(
        mk_tokenize(model, text, 5, MK_ADD_SPECIAL, few, 1, &m, err), MK_OK);
    ck_assert_uint_eq(m, n);
    ck_assert_int_eq(few[0], ids[0]);
    ck_assert_int_eq(few[1], -7);
}
END_TEST

START_TEST(detokenize_drops_the_space_in_front)
{
    int32_t ids[64], bad = 99999;
    char out[64];
    size_t n, len;

    ck_assert_int_eq(
        mk_tokenize(model, "ab 中", 6, MK_ADD_SPECIAL, ids, 64, &n, err),
        MK_OK);
    ck_assert_int_eq(mk_detokenize(model, ids, n, out, sizeof out, &len, err),
                     MK_OK);
    ck_assert_uint_eq(len, 6);
    ck_assert_str_eq(out, "ab 中");
    ck_assert_int_eq(mk_detokenize(model, ids, n, out, 2, &len, err), MK_OK);
    ck_assert_uint_eq(len, 6);
    ck_assert_int_eq(mk_detokenize(model, &bad, 1, out, 2, &len, err),
                     MK_EUSAGE);
    ck_assert_str_eq(err, "token 0: id 99999, expected 0 to 767");
}
END_TEST

START_TEST(single_tokens)
{
    char out[8];

    ck_assert_str_eq(mk_token_piece(model, 1), "<s>");
    ck_assert_ptr_null(mk_token_piece(model, -1));
    ck_assert_uint_eq(mk_token_bytes(model, 1, false, out, 8), 0);
    ck_assert_uint_eq(mk_token_bytes(model, 1, true, out, 8), 3);
    ck_assert(mk_token_is_stop(model, 2));
    ck_assert(!mk_token_is_stop(model, 3));
}
END_TEST

START_TEST(chats)
{
    static const struct mk_message msgs[] = { { "user", "a" } };
    int32_t ids[64];
    char out[64];
    size_t n, len;

    ck_assert_int_eq(
        mk_chat_text(model, "llama2", msgs, 1, true, out, 64, &len, err),
        MK_OK);
    ck_assert_str_eq(out, "[INST] a [/INST]");
    ck_assert_int_eq(
        mk_chat_ids(model, "llama2", msgs, 1, true, ids, 64, &n, err), MK_OK);
    ck_assert_int_eq(ids[0], 1);
    ck_assert_int_eq(mk_chat_ids(model, NULL, msgs, 1, true, ids, 64, &n, err),
                     MK_EUSAGE);
    ck_assert_ptr_nonnull(strstr(err, "no chat template"));
    ck_assert_uint_eq(n, 0);
    ck_assert_str_eq(mk_chat_name(0), "qwen2.5");
    ck_assert_ptr_null(mk_chat_name(1000));
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_model, close_model);
    tcase_add_test(tc, ids_are_counted_when_there_is_no_room);
    tcase_add_test(tc, detokenize_drops_the_space_in_front);
    tcase_add_test(tc, single_tokens);
    tcase_add_test(tc, chats);
}

T_MAIN("tokens", setup)
