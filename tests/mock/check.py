"""Checks the mock's own verification against the published examples.

    python3 check.py SIGNING.JSON

Each example must be accepted as it is, and refused with another secret, with
another body or path, and when the clock is off.
"""
import json
import sys
import time

import sign
from wire import Frames, Request, accept, frame


def request(i, headers, target):
    found = {k.lower(): v for k, v in headers.items()}
    return Request(i.get("method", "POST"), target, found, i.get("body", "").encode())


def tc3(v):
    i, e = v["inputs"], v["expected"]
    headers = {"Authorization": e.get("authorization") or e["headers"]["Authorization"], "Host": i["host"],
               "Content-Type": i["content_type"], "X-TC-Action": i["action"], "X-TC-Timestamp": str(i["timestamp"])}
    return sign.tc3, request(i, headers, "/"), i["secret_id"], i["secret_key"], i["timestamp"]


def bce(v):
    i = v["inputs"]
    headers = dict(i["headers"], Authorization=v["expected"]["authorization"])
    query = "&".join("%s=%s" % p for p in i["query"].items())
    target = i["path"] + ("?" + query if query else "")
    return sign.bce, request(i, headers, target), i["access_key"], i["secret_key"], i["timestamp"]


def volc(v):
    i = v["inputs"]
    headers = dict(v["expected"]["headers"], Host=i["host"])
    headers["Content-Type"] = i["content_type"]
    return sign.volc, request(i, headers, i["path"]), i["access_key"], i["secret_key"], sign.stamp(i["x_date"])


def huawei(v):
    i = v["inputs"]
    headers = dict(i["headers"], Authorization=v["expected"]["authorization"])
    query = "&".join("%s=%s" % tuple(p) for p in i["query"])
    target = i["path"] + ("?" + query if query else "")
    return (sign.huawei, request(i, headers, target), i["access_key"], i["secret_key"],
            sign.stamp(i["headers"]["X-Sdk-Date"]))


def iflytek(v):
    i = v["inputs"]
    target = v["expected"]["url"].split(i["host"], 1)[1]
    now = time.mktime(time.strptime(i["date"][5:25], "%d %b %Y %H:%M:%S")) - time.timezone
    return sign.iflytek, Request("GET", target, {"host": i["host"]}, b""), i["api_key"], i["api_secret"], now


def skywork(v):
    i = v["inputs"]
    return (sign.skywork, request(i, v["expected"]["headers"], "/"), i["app_key"], i["app_secret"],
            int(i["timestamp"]))


def signed(v, make):
    verify, req, key, secret, now = make(v)
    assert verify(req, key, secret, now) is None, v["id"]
    assert verify(req, key, secret + "x", now) == sign.SIGNATURE, v["id"]
    assert verify(req, key + "x", secret, now) == sign.KEY, v["id"]
    assert verify(req, key, secret, now + 4000) == sign.CLOCK, v["id"]
    if make in (tc3, volc, huawei):
        req.body += b" "
        assert verify(req, key, secret, now) == sign.SIGNATURE, v["id"]


def token(v):
    i, e = v["inputs"], v["expected"]["token"]
    if "api_key" in i:
        verify = lambda t, now: sign.zhipu(t, i["api_key"], now)
        now, late = i["now_ms"] / 1000, i["ttl_ms"] / 1000
    else:
        verify = lambda t, now: sign.sensenova(t, i["access_key_id"], i["secret_access_key"], now)
        now, late = i["now"], 1801
    assert verify(e, now) is None, v["id"]
    assert verify(e, now + late) == sign.CLOCK, v["id"]
    assert verify(e[:-2] + "AA", now) == sign.SIGNATURE, v["id"]


def socket(v):
    i, e = v["inputs"], v["expected"]
    assert accept(i["sec_websocket_key"]) == e["sec_websocket_accept"]
    assert list(Frames().feed(bytes.fromhex(e["masked_client_text_frame_hex"]))) == [(1, b"Hello")]
    assert frame(1, b"Hello").hex() == e["unmasked_server_text_frame_hex"]
    try:
        list(Frames().feed(bytes.fromhex(e["unmasked_server_text_frame_hex"])))
        raise AssertionError("an unmasked frame was taken")
    except ValueError:
        pass


KINDS = {"tc3": tc3, "bce": bce, "volc": volc, "huawei": huawei, "spark": iflytek, "skywork": skywork}


def main(path):
    with open(path, encoding="utf-8") as f:
        vectors = json.load(f)["vectors"]
    n = 0
    for v in vectors:
        kind = v["id"].split("-")[0]
        if kind in KINDS:
            signed(v, KINDS[kind])
        elif kind in ("zhipu", "sensenova"):
            token(v)
        elif kind == "ws":
            socket(v)
        else:
            continue
        n += 1
    assert n >= 16, n
    print("%d examples" % n)


main(sys.argv[1])
