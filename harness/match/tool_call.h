/* Calls of tools as models write them. */
#ifndef MK_TOOL_CALL_H
#define MK_TOOL_CALL_H

#include <stddef.h>

#include "harness/base/json.h"
#include "harness/base/mem.h"

struct tool_call {
    struct str name;
    struct json *arguments; /* an object; NULL: none were given */
};

enum { TOOL_CALLS_MOST = 64 };
struct tool_calls {
    struct tool_call list[TOOL_CALLS_MOST];
    size_t n;
    size_t at, end;   /* in the text, of all of them */
    const char *form; /* "json", "named" or "python"; "" if there is none */
};

/* Reads the calls of a text:
 *   json    {"name": .., "arguments": {..}}, alone, in a list, in
 *           <tool_call>, in "tool_calls", "function" or "function_call";
 *           arguments may be called parameters, args or input, and be a text
 *           that holds JSON
 *   named   a name on a line of its own, or <function=name>, and an object
 *   python  f(a=1, b="x"), alone or in a list; values are literals
 * A python argument without a name has the key "$0", "$1" ... Names live in
 * the arena.  Free them with tool_calls_free(). */
enum err_code tool_calls_read(struct str text, struct arena *a,
                              struct tool_calls *out, struct err *e) MUST_CHECK;
void tool_calls_free(struct tool_calls *c);

#endif
