"""Signatures as the vendors verify them, on the standard library alone.

Written from the published rules, apart from the program's own code, so that
the two can disagree.  Each function returns None when the request is well
signed, else what is wrong: "key", "clock" or "signature".
"""
import base64
import calendar
import email.utils
import hashlib
import hmac
import json
import re
import time
import urllib.parse

NONE, KEY, CLOCK, SIGNATURE = None, "key", "clock", "signature"


def hmac256(key, text):
    if isinstance(key, str):
        key = key.encode()
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def fields(text):
    """`Name=value, Name=value` of an Authorization header."""
    return dict(re.findall(r"(\w+)=\"?([^,\s\"]+)\"?", text))


def stamp(text, form="%Y%m%dT%H%M%SZ"):
    """Seconds of a UTC time as text, a far past one when it is none."""
    try:
        return calendar.timegm(time.strptime(text, form))
    except ValueError:
        return 0


def header_lines(req, names):
    """The block of signed headers, each line with its line feed."""
    return "".join("%s:%s\n" % (n, req.headers.get(n, "").strip()) for n in names)


def tc3(req, key_id, secret, now):
    """Tencent's TC3-HMAC-SHA256."""
    auth = req.headers.get("authorization", "")
    got = fields(auth)
    scope = got.get("Credential", "").split("/")
    ts = req.headers.get("x-tc-timestamp", "0")
    if not auth.startswith("TC3-HMAC-SHA256 ") or len(scope) != 4:
        return SIGNATURE
    if scope[0] != key_id:
        return KEY
    day = time.strftime("%Y-%m-%d", time.gmtime(int(ts)))
    if abs(now - int(ts)) > 300 or scope[1] != day:
        return CLOCK
    names = got["SignedHeaders"].split(";")
    if not {"content-type", "host"} <= set(names):
        return SIGNATURE
    lines = header_lines(req, names)
    if "x-tc-action" in names:
        lines = lines.replace(req.headers["x-tc-action"], req.headers["x-tc-action"].lower())
    canonical = "\n".join([req.method, "/", "", lines, got["SignedHeaders"], sha(req.body)])
    key = hmac256("TC3" + secret, day)
    for part in (scope[2], "tc3_request"):
        key = hmac256(key, part)
    text = "\n".join(["TC3-HMAC-SHA256", ts, "/".join(scope[1:]), sha(canonical.encode())])
    return NONE if hmac256(key, text).hex() == got["Signature"] else SIGNATURE


def bce(req, key_id, secret, now):
    """Baidu's bce-auth-v1; the body is not signed."""
    part = req.headers.get("authorization", "").split("/")
    if len(part) != 6 or part[0] != "bce-auth-v1":
        return SIGNATURE
    if part[1] != key_id:
        return KEY
    age = now - stamp(part[2], "%Y-%m-%dT%H:%M:%SZ")
    if age < -300 or age > int(part[3]):
        return CLOCK
    quote = lambda s: urllib.parse.quote(s, safe="")
    names = part[4].split(";") if part[4] else sorted(
        n for n in req.headers
        if n in ("host", "content-length", "content-md5", "content-type") or n.startswith("x-bce-"))
    lines = sorted("%s:%s" % (quote(n), quote(req.headers.get(n, "").strip())) for n in names)
    query = "&".join(sorted("%s=%s" % (quote(k), quote(v)) for k, v in req.query_list))
    canonical = "\n".join([req.method, urllib.parse.quote(req.path), query, "\n".join(lines)])
    key = hmac256(secret, "/".join(part[:4])).hex()
    return NONE if hmac256(key, canonical).hex() == part[5] else SIGNATURE


def volc(req, key_id, secret, now):
    """Volcengine's HMAC-SHA256: like AWS's fourth, without the prefix."""
    auth = req.headers.get("authorization", "")
    got = fields(auth)
    scope = got.get("Credential", "").split("/")
    date = req.headers.get("x-date", "")
    if not auth.startswith("HMAC-SHA256 ") or len(scope) != 5 or scope[4] != "request":
        return SIGNATURE
    if scope[0] != key_id:
        return KEY
    if abs(now - stamp(date)) > 900 or scope[1] != date[:8]:
        return CLOCK
    names = got["SignedHeaders"].split(";")
    if req.headers.get("x-content-sha256") != sha(req.body) or "host" not in names:
        return SIGNATURE
    query = "&".join(sorted(req.query.split("&"))) if req.query else ""
    canonical = "\n".join([req.method, req.path, query, header_lines(req, names),
                           got["SignedHeaders"], sha(req.body)])
    key = secret.encode()
    for part in scope[1:]:
        key = hmac256(key, part)
    text = "\n".join(["HMAC-SHA256", date, "/".join(scope[1:]), sha(canonical.encode())])
    return NONE if hmac256(key, text).hex() == got["Signature"] else SIGNATURE


def huawei(req, key_id, secret, now):
    """Huawei's SDK-HMAC-SHA256: the path ends in a slash, the key signs itself."""
    auth = req.headers.get("authorization", "")
    got = fields(auth)
    date = req.headers.get("x-sdk-date", "")
    if not auth.startswith("SDK-HMAC-SHA256 ") or "Signature" not in got:
        return SIGNATURE
    if got.get("Access") != key_id:
        return KEY
    if abs(now - stamp(date)) > 900:
        return CLOCK
    names = got["SignedHeaders"].split(";")
    path = "/".join(urllib.parse.quote(p, safe="~") for p in urllib.parse.unquote(req.path).split("/"))
    path = path if path.endswith("/") else path + "/"
    quote = lambda s: urllib.parse.quote(s, safe="~")
    query = "&".join("%s=%s" % (quote(k), quote(v)) for k, v in sorted(req.query_list))
    canonical = "\n".join([req.method, path, query, header_lines(req, names),
                           got["SignedHeaders"], sha(req.body)])
    text = "\n".join(["SDK-HMAC-SHA256", date, sha(canonical.encode())])
    return NONE if hmac256(secret, text).hex() == got["Signature"] else SIGNATURE


def iflytek(req, key_id, secret, now):
    """The address of a Spark WebSocket; its date, host and path are signed."""
    query = dict(req.query_list)
    try:
        origin = base64.b64decode(query["authorization"], validate=True).decode()
        date, host = query["date"], query["host"]
        sent = email.utils.parsedate_to_datetime(date).timestamp()
    except (KeyError, ValueError, TypeError):
        return SIGNATURE
    got = dict(re.findall(r"(\w+)=\"([^\"]*)\"", origin))
    if got.get("api_key") != key_id:
        return KEY
    if abs(now - sent) > 300:
        return CLOCK
    if host != req.headers.get("host") or got.get("headers") != "host date request-line":
        return SIGNATURE
    text = "host: %s\ndate: %s\nGET %s HTTP/1.1" % (host, date, req.path)
    want = base64.b64encode(hmac256(secret, text)).decode()
    good = got.get("algorithm") == "hmac-sha256" and got.get("signature") == want
    return NONE if good else SIGNATURE


def jwt(token, secret):
    """(header, claims) of a token that the secret signed with HS256, or None."""
    part = token.split(".")
    if len(part) != 3 or "=" in token:
        return None
    pad = lambda s: base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))
    try:
        header, claims, mark = json.loads(pad(part[0])), json.loads(pad(part[1])), pad(part[2])
    except ValueError:
        return None
    if header.get("alg") != "HS256" or mark != hmac256(secret, ".".join(part[:2])):
        return None
    return header, claims


def zhipu(token, key, now):
    """The key itself, or a token of it whose times are milliseconds."""
    if token == key:
        return NONE
    key_id, secret = key.split(".")
    got = jwt(token, secret)
    if not got:
        return SIGNATURE
    if got[0].get("sign_type") != "SIGN" or got[1].get("api_key") != key_id:
        return KEY
    lives = got[1].get("timestamp", 0) - 60000 <= now * 1000 < got[1].get("exp", 0)
    return NONE if lives else CLOCK


def sensenova(token, key_id, secret, now):
    """A token whose times are seconds."""
    got = jwt(token, secret)
    if not got:
        return SIGNATURE
    if got[1].get("iss") != key_id or got[0].get("typ") != "JWT":
        return KEY
    return NONE if got[1].get("nbf", now + 1) <= now < got[1].get("exp", 0) else CLOCK


def skywork(req, key_id, secret, now):
    """MD5 over key, secret and time."""
    when = req.headers.get("timestamp", "")
    if req.headers.get("app_key") != key_id:
        return KEY
    if not when.isdigit() or abs(now - int(when)) > 300:
        return CLOCK
    want = hashlib.md5((key_id + secret + when).encode()).hexdigest()
    return NONE if req.headers.get("sign") == want else SIGNATURE
