/* Which models and suites a query is about: two lists as JSON, bound as ?1 and
 * ?2, NULL for all; m is the model, su the suite in the query. */
#ifndef MK_CHOSEN_H
#define MK_CHOSEN_H

#define CHOSEN_MODEL                                                           \
    "(?1 IS NULL OR m.id IN (SELECT value FROM json_each(?1))"                 \
    " OR m.name IN (SELECT value FROM json_each(?1)))"
#define CHOSEN_SUITE(subset)                                                   \
    "(?2 IS NULL OR EXISTS (SELECT 1 FROM json_each(?2) AS j"                  \
    " WHERE su.id GLOB j.value OR su.id || '/' || " subset " GLOB j.value))"

#endif
