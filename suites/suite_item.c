/* Reads one item: which fields there are, and which go together.
 *
 *   question + answer (+ choices)   one question
 *   turns [{question, answer?}]     a conversation; some turns are judged
 *
 * Whether the answer is one the matcher can judge is not known here: that is
 * the hook's part (struct suite_checks). */
#include <string.h>

#include "suites/suite_load.h"

static const char *const item_fields[] = {
    "id",     "question", "turns",  "choices",     "answer",
    "subset", "context",  "system", "explanation", "difficulty",
    "tags",   "matcher",  "source", NULL
};
static const char *const turn_fields[] = { "question", "answer", "matcher",
                                           NULL };
static const char answer_hint[] =
    "a text (\"B\"), a list of accepted texts, or the matcher's object";

/* The answer's shape; what it must say is the matcher's affair. */
static const char *load_answer(struct loader *l, const struct json *j,
                               bool needed)
{
    const struct json *m = json_get(j, "answer");
    enum json_type type = m ? json_type(m) : JSON_NULL;

    if (type == JSON_NULL) {
        if (needed)
            suite_load_fault(l, "answer", "missing, expected %s", answer_hint);
        return NULL;
    }
    if (type == JSON_NUMBER || type == JSON_BOOL) {
        suite_load_fault(l, "answer", "is %s, expected %s; put it in quotes",
                         json_type_name(type), answer_hint);
        return NULL;
    }
    if (type == JSON_STRING && !*json_string(m)) {
        suite_load_fault(l, "answer", "empty, expected %s", answer_hint);
        return NULL;
    }
    for (const struct json *c = json_child(m); type == JSON_ARRAY && c;
         c = json_next(c)) {
        if (json_type(c) == JSON_STRING && *json_string(c))
            continue;
        suite_load_fault(l, "answer", "the list holds %s, expected texts",
                         json_type(c) == JSON_STRING
                             ? "an empty text"
                             : json_type_name(json_type(c)));
        return NULL;
    }
    if (type == JSON_ARRAY && json_len(m) == 0) {
        suite_load_fault(l, "answer", "an empty list, expected %s",
                         answer_hint);
        return NULL;
    }
    return suite_load_json(l, m);
}

static void read_choices(struct loader *l, const struct json *j,
                         struct item *it)
{
    const struct json *m =
        suite_load_member(l, j, "choices", JSON_OBJECT, false,
                          "an object such as {\"A\":\"...\",\"B\":\"...\"}");

    if (!m)
        return;
    if (json_len(m) < 2) {
        suite_load_fault(l, "choices", "%zu of them, expected 2 or more",
                         json_len(m));
        return;
    }
    it->choices = arena_array(&l->s->arena, json_len(m), sizeof *it->choices);
    l->where = "choices.";
    for (m = json_child(m); m && it->choices && !l->rc; m = json_next(m)) {
        const char *key = json_key(m), *text = json_string(m);
        if (!text || str_trim(str_of(text)).n == 0) {
            suite_load_fault(l, key, "%s, expected the text of the choice",
                             text ? "empty" : json_type_name(json_type(m)));
            continue;
        }
        it->choices[it->n_choices++] = (struct choice){
            arena_strdup(&l->s->arena, key),
            arena_strdup(&l->s->arena, text),
        };
    }
    l->where = "";
}

static void read_turn(struct loader *l, const struct json *j, struct turn *t)
{
    if (json_type(j) != JSON_OBJECT) {
        suite_load_fault(l, "", "is %s, expected an object {\"question\":...}",
                         json_type_name(json_type(j)));
        return;
    }
    suite_load_known(l, j, turn_fields);
    t->question = suite_load_str(l, j, "question", true, "what is asked");
    t->answer = load_answer(l, j, false);
    t->matcher = suite_load_matcher(l, j, false);
}

/* {"name":"none"}: nothing is expected; the answers are kept for people. */
static bool is_open(const struct json *j)
{
    const char *name = json_string(json_get(json_get(j, "matcher"), "name"));

    return name && strcmp(name, "none") == 0;
}

static void read_turns(struct loader *l, const struct json *j, struct item *it)
{
    const struct json *m = json_get(j, "turns");
    const char *where;
    bool judged = false;

    it->turns = arena_array(&l->s->arena, json_len(m) + 1, sizeof *it->turns);
    for (m = json_child(m); m && it->turns && !l->rc; m = json_next(m)) {
        where = arena_printf(&l->s->arena, "turns[%zu].", it->n_turns);
        l->where = where ? where : "turns.";
        read_turn(l, m, &it->turns[it->n_turns]);
        judged |= it->turns[it->n_turns++].answer != NULL;
    }
    l->where = "";
    if (it->n_turns == 0)
        suite_load_fault(l, "turns",
                         "an empty list, expected one object a turn");
    else if (!judged && !is_open(j) && !l->bad)
        suite_load_fault(l, "turns",
                         "no turn has an answer, expected one or more to be "
                         "judged, or the matcher {\"name\": \"none\"}");
}

/* What a conversation cannot have: each turn has its own. */
static void refuse_beside_turns(struct loader *l, const struct json *j)
{
    static const struct {
        const char *field, *cure;
    } row[] = {
        { "question", "an item has a question or turns, not both" },
        { "answer", "an item with turns has its answers in the turns" },
        { "choices", "an item with turns has no choices: write them into the "
                     "turn's question" },
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (json_get(j, row[i].field))
            suite_load_fault(l, row[i].field, "%s", row[i].cure);
    }
}

/* A subset is matched by globs and written behind a slash. */
static void read_subset(struct loader *l, const struct json *j, struct item *it)
{
    char q[LOAD_QUOTE];

    it->subset = suite_load_str(l, j, "subset", false, "a name");
    if (!it->subset)
        it->subset = "";
    else if (strpbrk(it->subset, "/*? \t\r\n"))
        suite_load_fault(l, "subset",
                         "\"%s\": expected a name without space, "
                         "/, * and ?",
                         suite_load_quote(it->subset, q));
}

void suite_load_item(struct loader *l, const struct json *j, struct item *it)
{
    const struct json *turns = json_get(j, "turns");

    suite_load_known(l, j, item_fields);
    it->id =
        suite_load_str(l, j, "id", true, "a text of its own such as \"001\"");
    read_subset(l, j, it);
    if (turns && suite_load_member(l, j, "turns", JSON_ARRAY, true, "a list")) {
        refuse_beside_turns(l, j);
        read_turns(l, j, it);
    } else if (!turns) {
        it->question = suite_load_str(l, j, "question", true, "what is asked");
        read_choices(l, j, it);
        it->answer = load_answer(l, j, true);
    }
    it->context = suite_load_str(l, j, "context", false, "a text");
    it->system = suite_load_str(l, j, "system", false, "a text");
    it->explanation = suite_load_str(l, j, "explanation", false, "a text");
    it->difficulty = suite_load_str(l, j, "difficulty", false, "a text");
    it->source = suite_load_str(l, j, "source", false, "a text");
    it->matcher = suite_load_matcher(l, j, false);
    it->tags = suite_load_strs(l, j, "tags", &it->n_tags);
}
