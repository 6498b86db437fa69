/* What mokao run says of money: rates and prices before it, the bill after. */
#ifndef MK_CLI_MONEY_H
#define MK_CLI_MONEY_H

#include "harness/base/json.h"
#include "harness/cli/cmd.h"
#include "harness/estimate.h"
#include "harness/meter.h"
#include "harness/store/store.h"

/* The program's rates, the models file's, then those of --rate. */
enum err_code cli_run_rates(struct rates *r, const char *models_file,
                            const struct cli_list *args, struct arena *a,
                            struct err *e) MUST_CHECK;
/* A meter for the model, its price stored. */
enum err_code cli_run_meter(struct meter *m, const struct model_spec *model,
                            const struct rates *r, struct purse *purse,
                            struct store *s, struct err *e) MUST_CHECK;
/* "0.0123 USD = 0.08733 CNY", after `before`. */
void cli_run_money(const struct meter *m, const char *before, char *out,
                   size_t n);
/* Members of the summary's object. */
void cli_run_money_json(const struct meter *m, struct jw *w);

/* --dry-run: lines for people, members of an object for programs. */
void cli_run_estimate(const struct estimate *o, const struct tariff *t,
                      struct buf *out);
void cli_run_estimate_json(const struct estimate *o, const struct tariff *t,
                           struct jw *w);

#endif
