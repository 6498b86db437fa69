/* The table of providers: loading, a user's additions, rules, classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/io.h"
#include "runners/provider.h"
#include "tests/t.h"

static struct providers *table;
static struct err e;

static void open_table(void)
{
    unsetenv("MOKAO_PROVIDERS");
    setenv("XDG_CONFIG_HOME", t_tmp(), 1);
    t_ok(providers_open(&table, NULL, &e), &e);
}

static void close_table(void)
{
    providers_close(table);
    table = NULL;
}

static const struct provider *row(const char *id)
{
    const struct provider *p = providers_find(table, id);

    ck_assert_msg(p, "no row %s", id);
    return p;
}

START_TEST(every_row_loads)
{
    ck_assert_uint_ge(providers_count(table), 41);
    for (size_t i = 0; i < providers_count(table); i++) {
        const struct provider *p = providers_at(table, i);
        ck_assert_ptr_eq(providers_find(table, p->id), p);
    }
}
END_TEST

static void setup(TCase *tc)
{
    tcase_add_checked_fixture(tc, open_table, close_table);
    tcase_add_test(tc, every_row_loads);
    (void)row;
}
T_MAIN("provider", setup)
