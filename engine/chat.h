/* Chat templates: built in, one row each, recognised from the text of the
 * file's own template. */
#ifndef MK_CHAT_H
#define MK_CHAT_H

#include "engine/engine.h"
#include "engine/vocab.h"
#include "harness/base/buf.h"

/* Name of the row that the template's text is, "" if none. */
const char *chat_recognise(struct str source);
/* Name of row i, NULL past the last. */
const char *chat_name(size_t i);

/* Appends the chat's text to out.  name NULL: the vocabulary's own template.
 * The error says which names there are. */
enum err_code chat_text(const struct vocab *v, const char *name,
                        const struct mk_message *msgs, size_t n_msgs,
                        bool add_generation, struct buf *out,
                        struct err *e) MUST_CHECK;
/* The same as ids: special tokens are parsed in the template's own words, never
 * in the contents. */
enum err_code chat_ids(const struct vocab *v, const char *name,
                       const struct mk_message *msgs, size_t n_msgs,
                       bool add_generation, struct ids *out,
                       struct err *e) MUST_CHECK;

#endif
