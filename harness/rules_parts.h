/* What the two halves of the audit of rules share. */
#ifndef MK_RULES_PARTS_H
#define MK_RULES_PARTS_H

#include "harness/base/text.h"
#include "harness/store/chosen.h"

/* The judged samples that are chosen; ?1 and ?2 are the scope's lists. */
#define RULES_FROM                                                             \
    " FROM sample_scores AS v JOIN model AS m ON m.pk = v.model_pk"            \
    " JOIN suite AS su ON su.pk = v.suite_pk"                                  \
    " WHERE v.current AND v.suite_current AND v.verdict IS NOT NULL AND"       \
    " " CHOSEN_MODEL " AND " CHOSEN_SUITE("v.subset")

/* A rule's name without the reason that a matcher puts behind a colon. */
struct str rules_name(struct str rule);

#endif
