/* The SQL of each schema version, and the documented views.
 *
 * The comments inside the statements are part of the database: the sqlite3
 * shell prints them with .schema.  A released step of the table below is never
 * edited; a change of tables is a new step at its end, which also carries the
 * rows over.  Views hold nothing, so they are dropped and made anew by every
 * migration and need no step of their own.
 *
 *   model ----.            suite --- suite_item --- item
 *   run ------+--- sample ----------------------------'
 *   prompt ---|      |--- response   (one, kept for ever)
 *   params ---'      |--- failure    (any number)    response, failure --- price
 *                    |--- score      (one) --- score_history
 *                    '--- judgement, judge_failure --- judge;  label
 *
 * A leaderboard over a million samples must not read them all, so the counts
 * of a model, suite and subset are kept in `tally`.  Whatever could change a
 * model's counts puts it into `stale` (triggers, so that no writer can forget),
 * and the views count stale models anew; store_refresh() brings tally up to
 * date.  The views give the same numbers either way. */
#ifndef MK_SCHEMA_H
#define MK_SCHEMA_H

/* "mokA" in the header of the file, so that file(1) and we know it. */
#define SCHEMA_APPLICATION_ID 0x6d6f6b41

/* one SQL line a line */
/* clang-format off */
static const char *const schema_1[] = {
    "CREATE TABLE meta ( -- facts about this file\n"
    "    name TEXT PRIMARY KEY, -- created_by, created_ms\n"
    "    value TEXT NOT NULL\n"
    ") STRICT, WITHOUT ROWID;",

    "CREATE TABLE model ( -- a model that answered\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    fingerprint TEXT NOT NULL UNIQUE, -- GGUF hash; provider, model, endpoint\n"
    "    id TEXT NOT NULL, -- as last named; what follows describes it\n"
    "    name TEXT,\n"
    "    vendor TEXT,\n"
    "    kind TEXT, -- runner\n"
    "    spec TEXT, -- JSON\n"
    "    size_b REAL, -- billions of parameters\n"
    "    price_in REAL, -- a million tokens, in currency, as of price_date\n"
    "    price_out REAL,\n"
    "    currency TEXT,\n"
    "    price_date TEXT,\n"
    "    open INTEGER NOT NULL, -- 1: weights are public\n"
    "    domestic INTEGER NOT NULL -- 1: made in China\n"
    ") STRICT;",

    "CREATE TABLE suite ( -- one version of a suite\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    id TEXT NOT NULL,\n"
    "    version TEXT,\n"
    "    digest TEXT NOT NULL, -- of what decides what is asked and judged\n"
    "    title_zh TEXT,\n"
    "    title_en TEXT,\n"
    "    ability TEXT, -- path in the tree of abilities\n"
    "    language TEXT,\n"
    "    licence TEXT,\n"
    "    matcher TEXT, -- JSON, for items without one\n"
    "    path TEXT, -- where it was read from\n"
    "    current INTEGER NOT NULL DEFAULT 1, -- 1: the version used last\n"
    "    UNIQUE (id, digest)\n"
    ") STRICT;",

    "CREATE TABLE item ( -- a question by content, whatever suites have it\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    digest TEXT NOT NULL UNIQUE,\n"
    "    question TEXT,\n"
    "    answer TEXT, -- JSON; NULL: not judged\n"
    "    choices TEXT, -- JSON {\"A\": text}\n"
    "    matcher TEXT, -- JSON {\"name\": ..., options}; NULL: the suite's\n"
    "    turns TEXT, -- JSON [{\"question\",\"answer\",\"matcher\"}]; NULL: one turn\n"
    "    n_turns INTEGER NOT NULL,\n"
    "    n_judged INTEGER NOT NULL, -- turns that have an answer\n"
    "    difficulty TEXT\n"
    ") STRICT;",

    "CREATE TABLE suite_item ( -- which items a suite has, and how it calls them\n"
    "    suite INTEGER NOT NULL REFERENCES suite (pk),\n"
    "    id TEXT NOT NULL,\n"
    "    item INTEGER NOT NULL REFERENCES item (pk),\n"
    "    subset TEXT NOT NULL, -- '' or a subject\n"
    "    PRIMARY KEY (suite, id)\n"
    ") STRICT, WITHOUT ROWID;",

    "CREATE INDEX suite_item_item ON suite_item (item, suite);",

    "CREATE TABLE prompt ( -- what was asked, without the sampling\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    hash TEXT NOT NULL UNIQUE,\n"
    "    json TEXT NOT NULL\n"
    ") STRICT;",

    "CREATE TABLE params ( -- how it was sampled\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    hash TEXT NOT NULL UNIQUE,\n"
    "    json TEXT NOT NULL\n"
    ") STRICT;",

    "CREATE TABLE run ( -- one call of mokao run or import, and where\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    command_line TEXT,\n"
    "    version TEXT, -- of mokao\n"
    "    host TEXT, -- machine, system, threads, device\n"
    "    options TEXT, -- JSON\n"
    "    started_ms INTEGER NOT NULL, -- ms since 1970, UTC\n"
    "    ended_ms INTEGER,\n"
    "    state TEXT -- done, part, interrupted; NULL: under way, or killed\n"
    ") STRICT;",

    "CREATE TABLE sample ( -- S1: one question put once to one model\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    run INTEGER NOT NULL REFERENCES run (pk), -- that asked it first\n"
    "    model INTEGER NOT NULL REFERENCES model (pk),\n"
    "    item INTEGER NOT NULL REFERENCES item (pk),\n"
    "    prompt INTEGER NOT NULL REFERENCES prompt (pk),\n"
    "    params INTEGER NOT NULL REFERENCES params (pk),\n"
    "    turn INTEGER NOT NULL, -- 0 ... n_turns - 1\n"
    "    trial INTEGER NOT NULL, -- 0 ...\n"
    "    -- 1: of the samples with the same model, item, trial and turn this is\n"
    "    -- the one of the newest run, and the one that counts in item_scores\n"
    "    current INTEGER NOT NULL DEFAULT 1,\n"
    "    UNIQUE (model, item, trial, turn, prompt, params)\n"
    ") STRICT;",

    "CREATE TRIGGER sample_current AFTER INSERT ON sample\n"
    "WHEN EXISTS (SELECT 1 FROM sample AS o WHERE o.model = NEW.model AND\n"
    "    o.item = NEW.item AND o.trial = NEW.trial AND o.turn = NEW.turn AND\n"
    "    o.pk <> NEW.pk)\n"
    "BEGIN\n"
    "    UPDATE sample SET current = (pk = (\n"
    "        SELECT o.pk FROM sample AS o JOIN run AS r ON r.pk = o.run\n"
    "        WHERE o.model = NEW.model AND o.item = NEW.item AND\n"
    "            o.trial = NEW.trial AND o.turn = NEW.turn\n"
    "        ORDER BY r.started_ms DESC, o.pk DESC LIMIT 1))\n"
    "    WHERE model = NEW.model AND item = NEW.item AND\n"
    "        trial = NEW.trial AND turn = NEW.turn;\n"
    "END;",

    "CREATE TABLE response ( -- S2: the answer as it came, kept for ever\n"
    "    sample INTEGER PRIMARY KEY REFERENCES sample (pk),\n"
    "    -- stop, length, context, filter, refused, scored, other\n"
    "    finish TEXT NOT NULL,\n"
    "    prompt_tokens INTEGER,\n"
    "    cached_tokens INTEGER, -- of the prompt, not computed again\n"
    "    output_tokens INTEGER,\n"
    "    started_ms INTEGER, -- ms since 1970, UTC\n"
    "    latency_ns INTEGER,\n"
    "    first_token_ns INTEGER,\n"
    "    attempts INTEGER NOT NULL,\n"
    "    margin REAL, -- nats between what was chosen and the runner-up\n"
    "    logprobs TEXT, -- JSON, of the options\n"
    "    text TEXT, -- NULL when options were scored\n"
    "    reasoning TEXT\n"
    ") STRICT;",

    "CREATE TRIGGER response_kept BEFORE UPDATE ON response BEGIN\n"
    "    SELECT RAISE(ABORT, 'a response is never changed');\n"
    "END;",

    "CREATE TRIGGER response_not_deleted BEFORE DELETE ON response BEGIN\n"
    "    SELECT RAISE(ABORT, 'a response is never deleted');\n"
    "END;",

    "CREATE TABLE failure ( -- S3: attempts that gave no answer; never scored\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    sample INTEGER NOT NULL REFERENCES sample (pk),\n"
    "    code TEXT NOT NULL, -- NET, RATE, TIMEOUT ...\n"
    "    message TEXT,\n"
    "    vendor_code TEXT,\n"
    "    http_status INTEGER,\n"
    "    attempts INTEGER NOT NULL,\n"
    "    at_ms INTEGER NOT NULL -- ms since 1970, UTC\n"
    ") STRICT;",

    "CREATE INDEX failure_sample ON failure (sample);",

    "CREATE TABLE score ( -- today's verdict on a response; can be remade\n"
    "    sample INTEGER PRIMARY KEY REFERENCES sample (pk),\n"
    "    verdict TEXT NOT NULL\n"
    "        CHECK (verdict IN ('correct', 'wrong', 'unparsable', 'refused')),\n"
    "    score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),\n"
    "    near_tie INTEGER NOT NULL, -- 1: the choice hangs on rounding\n"
    "    matcher TEXT NOT NULL,\n"
    "    version INTEGER NOT NULL, -- of the matcher\n"
    "    settings TEXT NOT NULL, -- hash of answer, choices and options\n"
    "    extracted TEXT, -- what was read as the answer\n"
    "    rule TEXT, -- that found it\n"
    "    span_at INTEGER, -- where, in bytes of response.text\n"
    "    span_len INTEGER\n"
    ") STRICT;",

    "CREATE TABLE score_history ( -- verdicts that were replaced, in order\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    sample INTEGER NOT NULL REFERENCES sample (pk),\n"
    "    verdict TEXT NOT NULL,\n"
    "    score REAL NOT NULL,\n"
    "    near_tie INTEGER NOT NULL,\n"
    "    matcher TEXT NOT NULL,\n"
    "    version INTEGER NOT NULL,\n"
    "    settings TEXT NOT NULL,\n"
    "    extracted TEXT,\n"
    "    rule TEXT,\n"
    "    span_at INTEGER,\n"
    "    span_len INTEGER\n"
    ") STRICT;",

    "CREATE INDEX score_history_sample ON score_history (sample);",

    "CREATE TABLE tally ( -- subset_scores of models that are not stale, ready made\n"
    "    model INTEGER NOT NULL REFERENCES model (pk),\n"
    "    suite INTEGER NOT NULL REFERENCES suite (pk),\n"
    "    subset TEXT NOT NULL,\n"
    "    items INTEGER,\n"
    "    judged_items INTEGER,\n"
    "    answered_items INTEGER,\n"
    "    asked INTEGER,\n"
    "    answered INTEGER,\n"
    "    failed INTEGER,\n"
    "    unscored INTEGER,\n"
    "    correct INTEGER,\n"
    "    wrong INTEGER,\n"
    "    unparsable INTEGER,\n"
    "    refused INTEGER,\n"
    "    cut_off INTEGER,\n"
    "    near_ties INTEGER,\n"
    "    score_sum REAL,\n"
    "    score_high_sum REAL,\n"
    "    score_answered_sum REAL,\n"
    "    all_turns_sum REAL,\n"
    "    prompt_tokens INTEGER,\n"
    "    cached_tokens INTEGER,\n"
    "    output_tokens INTEGER,\n"
    "    latency_ns INTEGER,\n"
    "    timed INTEGER,\n"
    "    params_low INTEGER,\n"
    "    params_high INTEGER,\n"
    "    PRIMARY KEY (model, suite, subset)\n"
    ") STRICT, WITHOUT ROWID;",

    "CREATE TABLE stale ( -- models whose rows in tally do not hold any more\n"
    "    model INTEGER PRIMARY KEY REFERENCES model (pk)\n"
    ") STRICT;",

    "CREATE TRIGGER stale_sample AFTER INSERT ON sample BEGIN\n"
    "    INSERT OR IGNORE INTO stale VALUES (NEW.model);\n"
    "END;",

    "CREATE TRIGGER stale_response AFTER INSERT ON response BEGIN\n"
    "    INSERT OR IGNORE INTO stale\n"
    "        SELECT model FROM sample WHERE pk = NEW.sample;\n"
    "END;",

    "CREATE TRIGGER stale_score AFTER INSERT ON score BEGIN\n"
    "    INSERT OR IGNORE INTO stale\n"
    "        SELECT model FROM sample WHERE pk = NEW.sample;\n"
    "END;",

    "CREATE TRIGGER stale_rescore AFTER UPDATE ON score BEGIN\n"
    "    INSERT OR IGNORE INTO stale\n"
    "        SELECT model FROM sample WHERE pk = NEW.sample;\n"
    "END;",

    "CREATE TRIGGER stale_unscore AFTER DELETE ON score BEGIN\n"
    "    INSERT OR IGNORE INTO stale\n"
    "        SELECT model FROM sample WHERE pk = OLD.sample;\n"
    "END;",

    "CREATE TRIGGER stale_suite_item AFTER INSERT ON suite_item BEGIN\n"
    "    INSERT OR IGNORE INTO stale\n"
    "        SELECT m.pk FROM model AS m WHERE EXISTS (\n"
    "            SELECT 1 FROM sample WHERE model = m.pk AND item = NEW.item);\n"
    "END;",

    "CREATE TRIGGER stale_suite AFTER UPDATE OF current ON suite BEGIN\n"
    "    INSERT OR IGNORE INTO stale SELECT pk FROM model;\n"
    "END;",
    0
};

/* What tokens cost on the day they were bought: a later change of prices is a
 * new row, so history stays as it was. */
static const char *const schema_2[] = {
    "CREATE TABLE price ( -- what tokens cost when they were bought\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    input REAL, -- a million prompt tokens, in currency; NULL: not known\n"
    "    cached REAL, -- of those the vendor had cached; NULL: as the others\n"
    "    output REAL,\n"
    "    currency TEXT NOT NULL,\n"
    "    date TEXT, -- of the price\n"
    "    source TEXT,\n"
    "    cny REAL, -- what one unit of currency was worth; NULL: not known\n"
    "    rate_date TEXT,\n"
    "    rate_source TEXT\n"
    ") STRICT;",

    /* NULL: no price was known then, which is not the same as free. */
    "ALTER TABLE response ADD COLUMN price INTEGER REFERENCES price (pk);",
    "ALTER TABLE failure ADD COLUMN price INTEGER REFERENCES price (pk);",
    /* Attempts without an answer may have cost tokens; NULL: not told. */
    "ALTER TABLE failure ADD COLUMN prompt_tokens INTEGER;",
    "ALTER TABLE failure ADD COLUMN cached_tokens INTEGER;",
    "ALTER TABLE failure ADD COLUMN output_tokens INTEGER;",
    0
};

/* Judges are asked about answers that are stored: what they say is kept beside
 * the scores of the rules and never changes them. */
static const char *const schema_3[] = {
    "CREATE TABLE judge ( -- a model that judges, by what rubric and sampling\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    hash TEXT NOT NULL UNIQUE, -- of model, rubric, words around it, params\n"
    "    model INTEGER NOT NULL REFERENCES model (pk),\n"
    "    kind TEXT NOT NULL CHECK (kind IN ('pairwise', 'graded')),\n"
    "    name TEXT NOT NULL, -- of the rubric\n"
    "    rubric TEXT NOT NULL, -- JSON\n"
    "    params INTEGER NOT NULL REFERENCES params (pk)\n"
    ") STRICT;",

    "CREATE TABLE judgement ( -- what a judge was asked and said, one order a row\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    run INTEGER NOT NULL REFERENCES run (pk),\n"
    "    judge INTEGER NOT NULL REFERENCES judge (pk),\n"
    "    sample INTEGER NOT NULL REFERENCES sample (pk), -- whose response\n"
    "    against INTEGER REFERENCES sample (pk), -- the baseline's; NULL: graded\n"
    "    swapped INTEGER NOT NULL, -- 1: the baseline's was shown first\n"
    "    prompt INTEGER NOT NULL REFERENCES prompt (pk),\n"
    "    -- win, tie or loss of sample, whatever was shown first; NULL: none read\n"
    "    verdict TEXT CHECK (verdict IN ('win', 'tie', 'loss')),\n"
    "    grade REAL CHECK (grade BETWEEN 0 AND 1), -- NULL: none read\n"
    "    parser INTEGER NOT NULL, -- version of what read it\n"
    "    finish TEXT NOT NULL,\n"
    "    prompt_tokens INTEGER,\n"
    "    cached_tokens INTEGER,\n"
    "    output_tokens INTEGER,\n"
    "    started_ms INTEGER, -- ms since 1970, UTC\n"
    "    latency_ns INTEGER,\n"
    "    attempts INTEGER NOT NULL,\n"
    "    text TEXT NOT NULL,\n"
    "    reasoning TEXT,\n"
    "    price INTEGER REFERENCES price (pk)\n"
    ") STRICT;",

    "CREATE UNIQUE INDEX judgement_key ON judgement\n"
    "    (judge, sample, ifnull(against, 0), swapped);",

    "CREATE TABLE judge_failure ( -- questions to a judge without an answer\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    run INTEGER NOT NULL REFERENCES run (pk),\n"
    "    judge INTEGER NOT NULL REFERENCES judge (pk),\n"
    "    sample INTEGER NOT NULL REFERENCES sample (pk),\n"
    "    against INTEGER REFERENCES sample (pk),\n"
    "    swapped INTEGER NOT NULL,\n"
    "    code TEXT NOT NULL, -- NET, RATE, TIMEOUT ...\n"
    "    message TEXT,\n"
    "    vendor_code TEXT,\n"
    "    http_status INTEGER,\n"
    "    attempts INTEGER NOT NULL,\n"
    "    at_ms INTEGER NOT NULL, -- ms since 1970, UTC\n"
    "    prompt_tokens INTEGER,\n"
    "    cached_tokens INTEGER,\n"
    "    output_tokens INTEGER,\n"
    "    price INTEGER REFERENCES price (pk)\n"
    ") STRICT;",

    "CREATE TABLE label ( -- what people say of the same responses\n"
    "    pk INTEGER PRIMARY KEY,\n"
    "    sample INTEGER NOT NULL REFERENCES sample (pk),\n"
    "    against INTEGER REFERENCES sample (pk), -- NULL: graded\n"
    "    verdict TEXT CHECK (verdict IN ('win', 'tie', 'loss')),\n"
    "    grade REAL CHECK (grade BETWEEN 0 AND 1),\n"
    "    source TEXT NOT NULL -- the file, or who\n"
    ") STRICT;",

    "CREATE UNIQUE INDEX label_key ON label\n"
    "    (sample, ifnull(against, 0), source);",
    0
};

/* A response or failure t at the price p it had: cost.h has the same formula,
 * in the same order. */
#define SQL_CACHED "min(max(coalesce(t.cached_tokens, 0), 0), t.prompt_tokens)"
#define SQL_PART(tokens, price) \
    "CASE " tokens " WHEN 0 THEN 0.0 ELSE " tokens " * " price " END"
#define SQL_NANO \
    "CASE WHEN p.pk IS NOT NULL THEN CAST(round(1000 * (\n" \
    "        " SQL_PART("(t.prompt_tokens - " SQL_CACHED ")", "p.input") "\n" \
    "        + " SQL_PART(SQL_CACHED, "coalesce(p.cached, p.input)") "\n" \
    "        + " SQL_PART("t.output_tokens", "p.output") ")) AS INTEGER) END"

/* Counts of a model and item over its current samples. */
#define SQL_ITEM_TALLY(filter) \
    "    SELECT m.id AS model, s.model AS model_pk, s.item AS item_pk,\n" \
    "        i.n_turns, i.n_judged,\n" \
    "        count(*) FILTER (WHERE s.turn = 0) AS trials,\n" \
    "        i.n_judged * count(*) FILTER (WHERE s.turn = 0) AS asked,\n" \
    "        count(r.sample) AS responses,\n" \
    "        count(sc.sample) AS scored,\n" \
    "        total(sc.score) AS score_sum,\n" \
    "        count(*) FILTER (WHERE sc.verdict = 'correct') AS correct,\n" \
    "        count(*) FILTER (WHERE sc.verdict = 'wrong') AS wrong,\n" \
    "        count(*) FILTER (WHERE sc.verdict = 'unparsable') AS unparsable,\n" \
    "        count(*) FILTER (WHERE sc.verdict = 'refused') AS refused,\n" \
    "        count(*) FILTER (WHERE r.finish IN ('length', 'context'))\n" \
    "            AS cut_off,\n" \
    "        count(*) FILTER (WHERE sc.near_tie) AS near_ties,\n" \
    "        sum(r.prompt_tokens) AS prompt_tokens,\n" \
    "        sum(r.cached_tokens) AS cached_tokens,\n" \
    "        sum(r.output_tokens) AS output_tokens,\n" \
    "        sum(r.latency_ns) AS latency_ns,\n" \
    "        count(r.latency_ns) AS timed,\n" \
    "        min(s.params) AS params_low, max(s.params) AS params_high\n" \
    "    FROM sample AS s\n" \
    "    JOIN model AS m ON m.pk = s.model\n" \
    "    JOIN item AS i ON i.pk = s.item\n" \
    "    LEFT JOIN response AS r ON r.sample = s.pk\n" \
    "    LEFT JOIN score AS sc ON sc.sample = s.pk\n" \
    "    WHERE s.current " filter "\n" \
    "    GROUP BY s.model, s.item, m.id\n"

/* The same in each suite that has the item, with what follows from them. */
#define SQL_ITEM_SCORES(filter) \
    "SELECT t.model, su.id AS suite, si.subset, si.id AS item,\n" \
    "    t.trials, t.asked, t.scored,\n" \
    "    max(0, min(t.asked - t.scored,\n" \
    "        t.n_turns * t.trials - t.responses)) AS failed,\n" \
    "    min(t.asked - t.scored, max(0, t.asked - t.scored -\n" \
    "        (t.n_turns * t.trials - t.responses))) AS unscored,\n" \
    "    t.correct, t.wrong, t.unparsable, t.refused, t.cut_off,\n" \
    "    t.near_ties, t.score_sum,\n" \
    "    CASE WHEN t.asked > 0 THEN t.score_sum / t.asked END AS score,\n" \
    "    CASE WHEN t.asked > 0 THEN\n" \
    "        (t.score_sum + t.asked - t.scored) / t.asked END AS score_high,\n" \
    "    CASE WHEN t.scored > 0 THEN\n" \
    "        t.score_sum / t.scored END AS score_answered,\n" \
    "    CASE WHEN t.n_judged = 1 THEN t.correct * 1.0 / t.trials\n" \
    "        WHEN t.n_judged > 1 THEN (\n" \
    "            SELECT count(*) * 1.0 / t.trials FROM (SELECT 1\n" \
    "                FROM sample AS s JOIN score AS c ON c.sample = s.pk\n" \
    "                WHERE s.model = t.model_pk AND s.item = t.item_pk\n" \
    "                    AND s.current AND c.verdict = 'correct'\n" \
    "                GROUP BY s.trial HAVING count(*) = t.n_judged))\n" \
    "        END AS all_turns,\n" \
    "    t.prompt_tokens, t.cached_tokens, t.output_tokens, t.latency_ns,\n" \
    "    t.timed, t.params_low, t.params_high,\n" \
    "    t.model_pk, su.pk AS suite_pk, t.item_pk\n" \
    "FROM (" SQL_ITEM_TALLY(filter) ") AS t\n" \
    "JOIN suite_item AS si ON si.item = t.item_pk\n" \
    "JOIN suite AS su ON su.pk = si.suite AND su.current\n"

/* Sums over the items of a subset. */
#define SQL_SUBSET_SCORES(filter) \
    "SELECT model_pk, suite_pk, subset, count(*) AS items,\n" \
    "    count(score) AS judged_items,\n" \
    "    count(score_answered) AS answered_items,\n" \
    "    sum(asked) AS asked, sum(asked) - sum(failed) AS answered,\n" \
    "    sum(failed) AS failed, sum(unscored) AS unscored,\n" \
    "    sum(correct) AS correct, sum(wrong) AS wrong,\n" \
    "    sum(unparsable) AS unparsable, sum(refused) AS refused,\n" \
    "    sum(cut_off) AS cut_off, sum(near_ties) AS near_ties,\n" \
    "    total(score) AS score_sum, total(score_high) AS score_high_sum,\n" \
    "    total(score_answered) AS score_answered_sum,\n" \
    "    total(all_turns) AS all_turns_sum,\n" \
    "    sum(prompt_tokens) AS prompt_tokens,\n" \
    "    sum(cached_tokens) AS cached_tokens,\n" \
    "    sum(output_tokens) AS output_tokens,\n" \
    "    sum(latency_ns) AS latency_ns, sum(timed) AS timed,\n" \
    "    min(params_low) AS params_low, max(params_high) AS params_high\n" \
    "FROM (" SQL_ITEM_SCORES(filter) ")\n" \
    "GROUP BY model_pk, suite_pk, subset\n"

static const char *const schema_views[] = {
    "CREATE VIEW sample_scores AS\n"
    "-- One row a sample and suite that has its item, with all that led to its\n"
    "-- verdict.\n"
    "SELECT s.pk AS sample, m.id AS model, su.id AS suite,\n"
    "    su.version AS suite_version, su.current AS suite_current,\n"
    "    su.ability, si.subset, si.id AS item, s.turn, s.trial,\n"
    "    s.current, -- 0: a newer run asked the same with another prompt\n"
    "    r.sample IS NOT NULL AS answered,\n"
    "    r.sample IS NULL AS failed, -- no answer: never counted as wrong\n"
    "    sc.verdict, sc.score, sc.extracted, sc.rule, sc.span_at, sc.span_len,\n"
    "    sc.near_tie, sc.matcher, sc.version AS matcher_version,\n"
    "    r.finish, r.finish IN ('length', 'context') AS cut_off,\n"
    "    r.prompt_tokens, r.cached_tokens, r.output_tokens, r.latency_ns,\n"
    "    r.first_token_ns, r.started_ms, r.attempts, r.margin, r.text,\n"
    "    r.reasoning, r.logprobs,\n"
    "    (SELECT f.code FROM failure AS f WHERE f.sample = s.pk\n"
    "        ORDER BY f.at_ms DESC, f.pk DESC LIMIT 1) AS error,\n"
    "    (SELECT f.message FROM failure AS f WHERE f.sample = s.pk\n"
    "        ORDER BY f.at_ms DESC, f.pk DESC LIMIT 1) AS error_message,\n"
    "    s.run, s.model AS model_pk, su.pk AS suite_pk, s.item AS item_pk,\n"
    "    s.prompt AS prompt_pk, s.params AS params_pk\n"
    "FROM sample AS s\n"
    "JOIN model AS m ON m.pk = s.model\n"
    "JOIN suite_item AS si ON si.item = s.item\n"
    "JOIN suite AS su ON su.pk = si.suite\n"
    "LEFT JOIN response AS r ON r.sample = s.pk\n"
    "LEFT JOIN score AS sc ON sc.sample = s.pk;",

    "CREATE VIEW sample_cost AS\n"
    "-- One row an answer, and one a failure whose tokens are known.  nano are\n"
    "-- billionths of currency by the price of the day, cny_nano of CNY by the\n"
    "-- rate of the day; NULL: tokens, price or rate are not known.\n"
    "SELECT c.*, CAST(round(c.nano * c.cny) AS INTEGER) AS cny_nano FROM (\n"
    "    SELECT s.pk AS sample, s.model AS model_pk, s.item AS item_pk,\n"
    "        s.current, t.failed, t.prompt_tokens, t.cached_tokens,\n"
    "        t.output_tokens, p.currency, p.cny, t.price AS price_pk,\n"
    "        " SQL_NANO " AS nano\n"
    "    FROM (SELECT sample, 0 AS failed, prompt_tokens, cached_tokens,\n"
    "            output_tokens, price FROM response\n"
    "        UNION ALL SELECT sample, 1, coalesce(prompt_tokens, 0),\n"
    "            cached_tokens, coalesce(output_tokens, 0), price FROM failure\n"
    "        WHERE prompt_tokens IS NOT NULL OR output_tokens IS NOT NULL) AS t\n"
    "    JOIN sample AS s ON s.pk = t.sample\n"
    "    LEFT JOIN price AS p ON p.pk = t.price) AS c;",

    "CREATE VIEW judge_cost AS\n"
    "-- sample_cost for the questions to judges.\n"
    "SELECT c.*, CAST(round(c.nano * c.cny) AS INTEGER) AS cny_nano FROM (\n"
    "    SELECT t.judge AS judge_pk, t.sample, t.failed, t.prompt_tokens,\n"
    "        t.cached_tokens, t.output_tokens, p.currency, p.cny,\n"
    "        " SQL_NANO " AS nano\n"
    "    FROM (SELECT judge, sample, 0 AS failed, prompt_tokens,\n"
    "            cached_tokens, output_tokens, price FROM judgement\n"
    "        UNION ALL SELECT judge, sample, 1, coalesce(prompt_tokens, 0),\n"
    "            cached_tokens, coalesce(output_tokens, 0), price\n"
    "        FROM judge_failure\n"
    "        WHERE prompt_tokens IS NOT NULL OR output_tokens IS NOT NULL) AS t\n"
    "    LEFT JOIN price AS p ON p.pk = t.price) AS c;",

    "CREATE VIEW judged AS\n"
    "-- One row a judge and response (and baseline's response): both orders\n"
    "-- together.  Orders that disagree are a tie, and split; an order whose\n"
    "-- verdict is missing leaves the outcome NULL.\n"
    "SELECT judge AS judge_pk, sample, against,\n"
    "    count(*) AS asked, count(verdict) AS verdicts,\n"
    "    max(verdict) FILTER (WHERE NOT swapped) AS shown_first,\n"
    "    max(verdict) FILTER (WHERE swapped) AS shown_second,\n"
    "    CASE WHEN against IS NULL OR count(verdict) < 2 THEN NULL\n"
    "        WHEN min(verdict) = max(verdict) THEN min(verdict)\n"
    "        ELSE 'tie' END AS outcome,\n"
    "    count(verdict) = 2 AND min(verdict) <> max(verdict) AS split,\n"
    "    avg(grade) AS grade\n"
    "FROM judgement GROUP BY judge, sample, against;",

    "CREATE VIEW item_scores AS\n"
    "-- One row a model, suite (its current version) and item: an item asked\n"
    "-- in several turns or trials counts once.  asked counts the judged turns\n"
    "-- of all trials; asked = scored + failed + unscored.  score is the mean\n"
    "-- over them with failed ones 0, score_high with failed ones 1,\n"
    "-- score_answered without them; all_turns is the share of trials in which\n"
    "-- every judged turn is right.\n"
    SQL_ITEM_SCORES(""),

    "CREATE VIEW stale_scores AS\n"
    "-- subset_scores of the models in stale, counted anew.\n"
    SQL_SUBSET_SCORES("AND s.model IN (SELECT model FROM stale)"),

    "CREATE VIEW subset_scores AS\n"
    "-- The leaderboard's numbers by subset; sums of item_scores.\n"
    "SELECT m.id AS model, su.id AS suite, t.* FROM (\n"
    "    SELECT model AS model_pk, suite AS suite_pk, subset, items,\n"
    "        judged_items, answered_items, asked, answered, failed, unscored,\n"
    "        correct, wrong, unparsable, refused, cut_off, near_ties,\n"
    "        score_sum, score_high_sum, score_answered_sum, all_turns_sum,\n"
    "        prompt_tokens, cached_tokens, output_tokens, latency_ns, timed,\n"
    "        params_low, params_high\n"
    "    FROM tally WHERE model NOT IN (SELECT model FROM stale)\n"
    "    UNION ALL SELECT * FROM stale_scores) AS t\n"
    "JOIN model AS m ON m.pk = t.model_pk\n"
    "JOIN suite AS su ON su.pk = t.suite_pk AND su.current",

    "CREATE VIEW leaderboard AS\n"
    "-- One row a model and suite (its current version).  Counts are of judged\n"
    "-- turns and trials: asked = answered + failed, answered = correct + wrong +\n"
    "-- unparsable + refused + unscored; for items of one turn and trial they are\n"
    "-- counts of items.  score is strict: failed answers count 0, which is also\n"
    "-- the lower bound; score_high counts them 1; score_answered leaves them out.\n"
    "-- All three are means over judged items of the item's mean.\n"
    "SELECT t.model, m.name AS model_name, t.suite, su.version AS suite_version,\n"
    "    su.title_zh, su.title_en, su.ability,\n"
    "    sum(items) AS items, sum(judged_items) AS judged_items,\n"
    "    sum(asked) AS asked, sum(answered) AS answered,\n"
    "    sum(failed) AS failed, sum(unscored) AS unscored,\n"
    "    sum(correct) AS correct, sum(wrong) AS wrong,\n"
    "    sum(unparsable) AS unparsable, sum(refused) AS refused,\n"
    "    sum(cut_off) AS cut_off, sum(near_ties) AS near_ties,\n"
    "    total(score_sum) / nullif(sum(judged_items), 0) AS score,\n"
    "    total(score_answered_sum) / nullif(sum(answered_items), 0)\n"
    "        AS score_answered,\n"
    "    total(score_sum) / nullif(sum(judged_items), 0) AS score_low,\n"
    "    total(score_high_sum) / nullif(sum(judged_items), 0) AS score_high,\n"
    "    total(all_turns_sum) / nullif(sum(judged_items), 0)\n"
    "        AS score_all_turns, -- an item counts if every judged turn is right\n"
    "    sum(prompt_tokens) AS prompt_tokens,\n"
    "    sum(cached_tokens) AS cached_tokens,\n"
    "    sum(output_tokens) AS output_tokens,\n"
    "    sum(latency_ns) / nullif(sum(timed), 0) AS latency_ns, -- mean\n"
    "    min(params_low) <> max(params_high) AS mixed, -- several params\n"
    "    model_pk, suite_pk\n"
    "FROM subset_scores AS t\n"
    "JOIN model AS m ON m.pk = t.model_pk\n"
    "JOIN suite AS su ON su.pk = t.suite_pk\n"
    "GROUP BY model_pk, suite_pk\n"
    "ORDER BY t.suite, score DESC, t.model;",
    0
};
/* clang-format on */

/* Step n makes version n of what step n - 1 left. */
static const char *const *const schema_steps[] = { schema_1, schema_2,
                                                   schema_3 };
#define SCHEMA_VERSION ((int)(sizeof schema_steps / sizeof *schema_steps))

#endif
