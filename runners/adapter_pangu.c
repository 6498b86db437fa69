/* Huawei's Pangu v1: a deployment in the path, no reason why an answer ended.
 * The key buys a token for a day (auth "iam_token") or signs every request
 * ("sdk_hmac"). */
#include <stdio.h>
#include <string.h>

#include "runners/adapter_util.h"
#include "runners/auth.h"
#include "runners/sign.h"

enum { TOKEN_LIFE_S = 86400 };

static bool signs(const struct endpoint *ep)
{
    return ep->provider->auth && strcmp(ep->provider->auth, "sdk_hmac") == 0;
}

/* --- requests ------------------------------------------------------------- */

static void put_body(struct jw *w, const struct endpoint *ep,
                     const struct request *q, const struct turns *t)
{
    jw_object(w, NULL);
    turns_put(w, t, "messages", "role", "content");
    jw_str(w, "user", "mokao");
    jw_bool(w, "stream", ep->stream);
    adapter_sampling(w, ep, q);
    jw_int(w, "n", 1);
    adapter_extra(w, ep);
    jw_end(w);
}

static enum err_code sign(const struct endpoint *ep, struct arena *a,
                          struct call *c, struct err *e)
{
    const char *date = sign_date(a, ep->now_ms / 1000, SIGN_BASIC), *auth;
    const struct sign_header headers[] = {
        { "Content-Type", "application/json" },
        { "Host", adapter_host(c->url, a) },
        { "X-Sdk-Date", date },
    };
    struct sign_request s = {
        .headers = headers,
        .n_headers = sizeof headers / sizeof *headers,
    };
    enum err_code rc;

    if ((rc = auth_request(ep, c, "ak", "sk", a, &s, e)) ||
        (rc = sign_huawei(&s, a, &auth, e)) ||
        (rc = call_header(c, a, e, "X-Sdk-Date: %s", date)))
        return rc;
    return call_header(c, a, e, "Authorization: %s", auth);
}

/* A base URL with a path is what the console shows for a deployment. */
static enum err_code address(const struct endpoint *ep, struct arena *a,
                             struct call *c, struct err *e)
{
    const char *shown = adapter_path(ep->base_url, a);
    const char *path = adapter_path_of(ep, "chat");

    if (shown && strstr(shown, "/deployments/"))
        path = str_ends(str_of(shown), STR("/chat/completions"))
                   ? ""
                   : "/chat/completions";
    return adapter_url(ep, path, a, &c->url, e);
}

static enum err_code build(const struct endpoint *ep, const struct request *q,
                           size_t call, struct arena *a, struct call *out,
                           struct err *e)
{
    struct turns t;
    struct body b;
    enum err_code rc = adapter_turns(ep, q, TURNS_IN_PLACE, a, &t, e);

    (void)call;
    if (rc)
        return rc;
    body_init(&b);
    put_body(&b.w, ep, q, &t);
    out->framing = ep->stream ? FRAME_SSE : FRAME_WHOLE;
    if ((rc = adapter_post(ep, &b, a, out, e)) || (rc = address(ep, a, out, e)))
        return rc;
    if (signs(ep))
        return sign(ep, a, out, e);
    if (!ep->token)
        return err_set(e, ERR_AUTH, "%s: there is no access token yet",
                       ep->provider->id);
    return call_header(out, a, e, "X-Auth-Token: %s", ep->token);
}

/* --- answers -------------------------------------------------------------- */

static bool take_fault(const struct endpoint *ep, const struct json *body,
                       struct reply *r)
{
    return adapter_told_fault(ep, body, "error_code", "error_msg", r);
}

static void take(const struct json *body, struct reply *r)
{
    adapter_append(&r->text, body, "choices/0/message/content");
    adapter_usage(body, r);
}

static void parse(const struct endpoint *ep, const struct request *q,
                  size_t call, const struct json *body, struct reply *r)
{
    (void)call;
    if (take_fault(ep, body, r))
        return;
    take(body, r);
    if (adapter_text(body, "choices/0/message/content"))
        adapter_ended(q, r);
}

/* The moderator speaks in events of its own and has the last word. */
static void event(const struct endpoint *ep, const struct request *q,
                  const struct sse_event *ev, const struct json *data,
                  struct reply *r)
{
    const char *says = adapter_text(data, "suggestion");

    if (!data) {
        if (!r->finished)
            adapter_ended(q, r);
    } else if (str_is(ev->name, "moderation")) {
        if (says && strcmp(says, "pass") != 0)
            adapter_finish(ep, "content_filter", r);
    } else if (!take_fault(ep, data, r)) {
        take(data, r);
    }
}

static void fault(const struct endpoint *ep, int status,
                  const struct json *body, struct str raw, struct fault *f)
{
    adapter_fault_at(ep, status, body, raw, "error_code", "error_msg", f);
}

/* --- the token ------------------------------------------------------------ */

/* "pangu.REGION.myhuaweicloud.com" -> REGION; NULL: another host. */
static const char *region_of(const char *url, struct arena *a)
{
    const char *host = adapter_host(url, a), *from, *to;

    from = host ? strchr(host, '.') : NULL;
    to = from ? strstr(from, ".myhuaweicloud.com") : NULL;
    return to && to > from ? arena_dup(a, from + 1, (size_t)(to - from - 1))
                           : NULL;
}

static void put_member(struct jw *w, const char *object, const char *key,
                       const char *value)
{
    jw_object(w, object);
    jw_str(w, key, value);
    jw_end(w);
}

static void put_method(struct jw *w, const char *name)
{
    jw_array(w, "methods");
    jw_str(w, NULL, name);
    jw_end(w);
    jw_object(w, name);
}

static enum err_code put_key(struct jw *w, const struct endpoint *ep,
                             struct err *e)
{
    const char *ak, *sk;
    enum err_code rc;

    if ((rc = auth_secret(ep, "ak", &ak, e)) ||
        (rc = auth_secret(ep, "sk", &sk, e)))
        return rc;
    put_method(w, "hw_ak_sk");
    put_member(w, "access", "key", ak);
    put_member(w, "secret", "key", sk);
    jw_end(w);
    return ERR_OK;
}

static enum err_code put_user(struct jw *w, const struct endpoint *ep,
                              struct err *e)
{
    const char *user, *password, *domain;
    enum err_code rc;

    if ((rc = auth_secret(ep, "user", &user, e)) ||
        (rc = auth_secret(ep, "password", &password, e)) ||
        (rc = auth_secret(ep, "domain", &domain, e)))
        return rc;
    put_method(w, "password");
    jw_object(w, "user");
    jw_str(w, "name", user);
    jw_str(w, "password", password);
    put_member(w, "domain", "name", domain);
    jw_end(w);
    jw_end(w);
    return ERR_OK;
}

/* A key, or a user where one is set and no key.  The project that a token is
 * for bears the region's name. */
static enum err_code put_auth(struct jw *w, const struct endpoint *ep,
                              const char *region, struct err *e)
{
    bool user = !endpoint_secret(ep, "ak") && endpoint_secret(ep, "user");
    enum err_code rc;

    jw_object(w, NULL);
    jw_object(w, "auth");
    jw_object(w, "identity");
    rc = user ? put_user(w, ep, e) : put_key(w, ep, e);
    if (rc)
        return rc;
    jw_end(w);
    jw_object(w, "scope");
    put_member(w, "project", "name", region);
    jw_end(w);
    jw_end(w);
    jw_end(w);
    return ERR_OK;
}

/* A host that is not Huawei's (a gateway) serves tokens too. */
static enum err_code token_call(const struct endpoint *ep, struct arena *a,
                                struct call *out, struct err *e)
{
    const char *region = region_of(ep->base_url, a);
    const char *named = endpoint_secret(ep, "region");
    struct body b;
    enum err_code rc;

    if (signs(ep))
        return ERR_OK;
    out->method = "POST";
    out->framing = FRAME_WHOLE;
    out->url = region ? arena_printf(a,
                                     "https://iam.%s.myhuaweicloud.com"
                                     "/v3/auth/tokens",
                                     region)
                      : arena_printf(a, "%s/v3/auth/tokens", ep->base_url);
    if (!out->url)
        return err_set(e, ERR_NOMEM, "an address: out of memory");
    if (!region)
        region = named ? named : "cn-southwest-2";
    body_init(&b);
    rc = put_auth(&b.w, ep, region, e);
    if (rc)
        buf_free(&b.buf);
    if (rc || (rc = body_done(&b, a, out, e)))
        return rc;
    return call_header(out, a, e, "Content-Type: application/json");
}

/* Given is the value of X-Subject-Token. */
static enum err_code token_parse(const struct endpoint *ep, struct str body,
                                 struct arena *a, const char **token,
                                 int64_t *expires_ms, struct err *e)
{
    struct str t = str_trim(body);

    if (!t.n)
        return err_set(e, ERR_AUTH, "%s gives no token", ep->provider->id);
    *token = arena_dup(a, t.p, t.n);
    *expires_ms = ep->now_ms + (int64_t)TOKEN_LIFE_S * 1000;
    return *token ? ERR_OK : err_set(e, ERR_NOMEM, "the token: out of memory");
}

const struct adapter adapter_pangu = {
    .shape = "pangu",
    .doc = "Huawei's Pangu v1",
    .build = build,
    .parse = parse,
    .event = event,
    .fault = fault,
    .token_call = token_call,
    .token_header = "X-Subject-Token",
    .token_parse = token_parse,
};
