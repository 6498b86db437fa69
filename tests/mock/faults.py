"""How a vendor, or what stands between it and us, can misbehave.

A fault is named in the model's name, so that one server and one run can have
many of them:  mock~FAULT~every5~times2

    every5   the items whose number is divided by 5 (1: all)
    rest2    ... with that remainder
    upto50   the items up to number 50
    times2   the first two attempts of an item (0: for ever; 1 by default)

and what holds for all answers of the model:

    delay200   milliseconds until an answer
    spread900  more of them, from none to all by the item
    cap8       more requests at a time are told to slow down

Several faults of one name are tried in their order.  Functions get the
connection and the reply as it should be; the names are those of FAULTS,
and for Spark's frames those of FRAME_FAULTS.
"""
import asyncio
import email.utils
import gzip
import json
import re
import struct
import time

import keys
import samples
import shapes
from wire import CLOSE, PING, TEXT, chunk, frame, head, head_of, whole

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
HUGE = 50 << 20


def body(r):
    return r.body if r.events is None else b"".join(r.events)


def payload(r, data):
    """A whole reply with other bytes in it."""
    if r.events is None:
        return head_of(r, **{"Content-Length": len(data)}) + data
    return head_of(r, **{"Transfer-Encoding": "chunked"}) + chunk(data) + chunk(b"")


# What the vendor says.


def vendor(*names, status=None, **headers):
    """The vendor's own error, by the names of its samples."""
    async def f(c, r):
        e = shapes.error(c.row, *names)
        e.status = status or e.status
        e.headers = {k: v for k, v in e.headers.items() if k.lower() != "retry-after"}
        e.headers.update({k.replace("_", "-"): v() if callable(v) else v for k, v in headers.items()})
        c.write(whole(e))
    return f


def bare(status, text="failed", **headers):
    """A status with words that no table knows."""
    async def f(c, r):
        e = shapes.plain(status, {"error": {"message": text, "type": "mock_error", "code": None}},
                         {k.replace("_", "-"): v for k, v in headers.items()})
        c.write(whole(e))
    return f


def page(status):
    async def f(c, r):
        c.write(head(status, {"Content-Type": "text/html", "Content-Length": len(HTML)}) + HTML)
    return f


async def error_inside(c, r):
    """The stream has begun well, then an event tells of an error."""
    try:
        event = samples.read(c.row.sample, "stream-error.txt").encode()
    except OSError:
        event = b"data: " + samples.error(c.row.sample, "server", "busy", "overload", "rate")[2] + b"\n\n"
    if r.events is not None:
        r.events = [e for e in r.events[:2]] + [event]
        c.write(whole(r))
    else:
        c.write(whole(shapes.error(c.row, "server", "busy", "overload", "rate")))


async def redirect(c, r):
    other = "http://127.0.0.2:%d%s" % (c.mock.thief_port, c.target)
    c.write(head(307, {"Location": other, "Content-Length": 0}))


async def echo(c, r):
    """An error that repeats the key that it was sent."""
    key = keys.value(c.row.env[0])
    e = shapes.plain(400, {"error": {"message": "bad request of key %s (%s)" % (key, key[-12:]), "code": None}})
    c.write(whole(e))


# Time.


async def silence(c, r):
    await c.pause(600)


async def stall(c, r):
    data = whole(r)
    c.write(data[:len(data) // 2])
    await c.pause(600)


async def slow(c, r):
    """All of it, in small pieces."""
    data = whole(r)
    for i in range(0, len(data), 40):
        c.write(data[i:i + 40])
        await asyncio.sleep(0.002)


async def split(c, r):
    """In pieces that end inside characters."""
    for piece in re.split(rb"(?<=[\xe4-\xe9])", whole(r)):
        c.write(piece)
        await asyncio.sleep(0.001)


# Less or more than promised.


async def reset(c, r):
    c.reset()


async def hang_up(c, r):
    c.close()


async def cut(c, r):
    """In the middle of the body, or of a chunk."""
    data = whole(r)
    start = data.index(b"\r\n\r\n") + 4
    c.write(data[:start + (len(data) - start) // 2])
    c.close()


async def cut_utf8(c, r):
    """Inside a character."""
    data = whole(r)
    at = [m.start() for m in re.finditer(rb"[\xe4-\xe9]", data)]
    c.write(data[:at[len(at) // 2] + 1])
    c.close()


async def cut_head(c, r):
    c.write(whole(r)[:30])
    c.close()


async def no_end(c, r):
    """A stream that ends in good order before the answer does."""
    if r.events is None:
        return await cut(c, r)
    half = len(r.events) // 2 if len(r.events) > 1 else 0
    r.events = r.events[:half]
    c.write(whole(r))


async def length_short(c, r):
    data = body(r)
    c.write(head_of(r, **{"Content-Length": len(data) // 2}) + data)


async def length_long(c, r):
    data = body(r)
    c.write(head_of(r, **{"Content-Length": len(data) + 100}) + data)
    c.close()


async def bad_chunk(c, r):
    c.write(head_of(r, **{"Transfer-Encoding": "chunked"}) + b"zz\r\n" + body(r) + b"\r\n0\r\n\r\n")
    c.close()


async def bad_status(c, r):
    c.write(b"HTTP/1.1 banana\r\n\r\n")
    c.close()


async def long_head(c, r):
    c.write(head_of(r, **{"X-Long": "x" * 2000000, "Content-Length": 0}))
    c.close()


# Content.


async def empty(c, r):
    c.write(payload(r, b""))


async def broken_json(c, r):
    """A brace is missing."""
    if r.events is None:
        c.write(payload(r, r.body.rstrip()[:-1]))
        return
    i = len(r.events) // 2
    r.events[i] = r.events[i].replace(b"}", b"", 1)
    c.write(whole(r))


async def empty_choices(c, r):
    """Well formed, and no answer in it."""
    if r.events is None:
        value = json.loads(r.body)
        c.write(payload(r, json.dumps({**value, "choices": []} if "choices" in value else {}).encode()))
    else:
        c.write(payload(r, b'data: {"choices":[]}\n\n'))


async def nul(c, r):
    data = body(r)
    c.write(payload(r, data.replace("答".encode(), b"\0", 1)))


async def nul_text(c, r):
    """NUL as JSON writes it."""
    c.write(payload(r, body(r).replace("答".encode(), b"\\u0000", 1)))


async def bad_utf8(c, r):
    c.write(payload(r, body(r).replace("答".encode(), b"\xe7\xff\x94", 1)))


async def huge(c, r):
    """50 MB where a line was expected."""
    c.write(head_of(r, **{"Content-Length": HUGE + 100}))
    c.write(b'data: {"choices":[{"delta":{"content":"' if r.events is not None else b'{"x":"')
    block = b"a" * (1 << 20)
    for _ in range(HUGE >> 20):
        if c.transport.is_closing():
            return
        c.write(block)
        while c.transport.get_write_buffer_size() > 4 << 20 and not c.transport.is_closing():
            await asyncio.sleep(0.002)
    c.close()


async def zipped(c, r):
    data = gzip.compress(body(r))
    c.write(head_of(r, **{"Content-Encoding": "gzip", "Content-Length": len(data)}) + data)


# Events.


def last_text(r):
    """The index after the last event with text of the answer."""
    has = [i for i, e in enumerate(r.events) if re.search(rb"[\x80-\xff]", e)]
    return has[-1] + 1 if has else 0


async def twice_last(c, r):
    """What follows the text comes twice."""
    if r.events is not None:
        i = last_text(r)
        r.events = r.events[:i] + [e for e in r.events[i:] for _ in (0, 1)]
    c.write(whole(r))


async def swap_last(c, r):
    """What follows the text, but for the end mark, in the other order."""
    if r.events is not None:
        i = last_text(r)
        end = [e for e in r.events[i:] if b"[DONE]" in e]
        rest = [e for e in r.events[i:] if b"[DONE]" not in e]
        r.events = r.events[:i] + rest[::-1] + end
    c.write(whole(r))


async def after_end(c, r):
    """More text after the end."""
    if r.events is not None:
        r.events = r.events + [e for e in r.events[:last_text(r)]]
    c.write(whole(r))


async def comments(c, r):
    """Blank lines before a body, comments between events."""
    if r.events is None:
        c.write(payload(r, b"\n\n\r\n" + r.body + b"\n"))
        return
    sse = r.mime == "text/event-stream"
    r.events = [x for e in r.events for x in ((b": ping\n\n" if sse else b"\n"), e)]
    c.write(whole(r))


async def crlf(c, r):
    if r.events is not None:
        r.events = [e.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for e in r.events]
    c.write(whole(r))


async def until_close(c, r):
    """No length: the body ends with the connection."""
    c.write(head_of(r, Connection="close") + body(r))
    c.close()


async def informed(c, r):
    c.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + whole(r))


def later(seconds):
    return lambda: email.utils.formatdate(time.time() + seconds, usegmt=True)


# The errors that samples tell of go by the first name that a vendor has.
FAULTS = {
    "auth": vendor("auth", "model", "validation"),
    "rate": vendor("rate", "qps", "tpm", "busy", "overload"),
    "rateafter": vendor("rate", "qps", "tpm", "overload", retry_after="1"),
    "ratedate": vendor("rate", "qps", "tpm", "overload", retry_after=later(2)),
    "quota": vendor("quota", "arrears"),
    "server": vendor("server", "busy", "overload", "overloaded", "generation"),
    "filter": vendor("filter", "filter-in"),
    "toolong": vendor("too-long", "validation", "param"),
    "nomodel": vendor("model", "domain"),
    "said200": vendor("server", "busy", "overload", "rate", status=200),
    "400": bare(400), "404": bare(404), "408": bare(408), "429": bare(429), "500": bare(500), "502": bare(502),
    "503": bare(503), "504": bare(504), "529": bare(529), "403": bare(403), "401": bare(401), "402": bare(402),
    "429after": bare(429, retry_after="1"), "503after": bare(503, retry_after="1"),
    "html502": page(502), "html200": page(200), "errorinside": error_inside, "redirect": redirect, "echo": echo,
    "silence": silence, "stall": stall, "slow": slow, "split": split, "reset": reset, "hangup": hang_up,
    "cut": cut, "cututf8": cut_utf8, "cuthead": cut_head, "noend": no_end, "lengthshort": length_short,
    "lengthlong": length_long, "badchunk": bad_chunk, "badstatus": bad_status, "longhead": long_head,
    "empty": empty, "brokenjson": broken_json, "emptychoices": empty_choices, "nul": nul, "nultext": nul_text,
    "badutf8": bad_utf8, "huge": huge, "gzip": zipped, "twicelast": twice_last, "swaplast": swap_last,
    "afterend": after_end, "comments": comments, "crlf": crlf, "untilclose": until_close, "informed": informed,
}


# Spark: frames after a good handshake.


def send(c, frames):
    """Text frames, every second one in fragments with a ping between."""
    for i, data in enumerate(frames):
        if i % 2:
            cut_at = len(data) // 2
            c.write(frame(TEXT, data[:cut_at], False) + frame(PING, b"mock") + frame(0, data[cut_at:]))
        else:
            c.write(frame(TEXT, data))


def finish(c):
    c.write(frame(CLOSE, struct.pack(">H", 1000)))


def frame_error(*names):
    async def f(c, r):
        send(c, [samples.error("iflytek_spark_ws", *names)[2]])
        finish(c)
    return f


async def frame_cut(c, r):
    send(c, r.frames[:1])
    c.write(frame(TEXT, r.frames[1])[:20])
    c.close()


async def frame_no_end(c, r):
    send(c, r.frames[:-1])
    finish(c)


async def frame_broken(c, r):
    send(c, [r.frames[0], r.frames[1][:-2]] + r.frames[2:])
    finish(c)


async def frame_nul(c, r):
    send(c, [f.replace("答".encode(), b"\0") for f in r.frames])
    finish(c)


async def frame_bad_utf8(c, r):
    send(c, [f.replace("答".encode(), b"\xe7\xff") for f in r.frames])
    finish(c)


async def frame_masked(c, r):
    """A server must not mask."""
    data = r.frames[0]
    c.write(bytes([0x81, 0x80 | 126]) + struct.pack(">H", len(data)) + b"\0\0\0\0" + data)
    finish(c)


async def frame_reserved(c, r):
    c.write(b"\xf1\x02hi")
    finish(c)


async def frame_huge(c, r):
    c.write(b"\x81\x7f" + struct.pack(">Q", 1 << 40) + b"a" * 100000)
    await c.pause(600)


async def frame_slow(c, r):
    data = b"".join(frame(TEXT, f) for f in r.frames)
    for i in range(0, len(data), 40):
        c.write(data[i:i + 40])
        await asyncio.sleep(0.002)
    finish(c)


async def frame_twice_last(c, r):
    send(c, r.frames + r.frames[-1:])
    finish(c)


async def frame_stall(c, r):
    send(c, r.frames[:1])
    await c.pause(600)


FRAME_FAULTS = {
    "auth": frame_error("auth"), "rate": frame_error("rate"), "server": frame_error("busy"),
    "filter": frame_error("filter-in"), "toolong": frame_error("too-long"), "nomodel": frame_error("domain"),
    "silence": silence, "stall": frame_stall, "slow": frame_slow, "reset": reset, "hangup": hang_up,
    "cut": frame_cut, "noend": frame_no_end, "brokenjson": frame_broken, "nul": frame_nul,
    "badutf8": frame_bad_utf8, "masked": frame_masked, "reserved": frame_reserved, "huge": frame_huge,
    "twicelast": frame_twice_last,
}
LIMITS = re.compile(r"(every|rest|upto|times|delay|spread|cap)(\d+)$")


class Fault:
    def __init__(self, name):
        self.name, self.every, self.rest, self.upto, self.times = name, 1, 0, 1 << 60, 1

    def hits(self, a, tries):
        n = a.mark if a.mark is not None else a.key[0]
        return n % self.every == self.rest and n <= self.upto and (not self.times or tries <= self.times)


def parse(options):
    """(faults, other options) of a model's name."""
    found, other = [], {"delay": 0, "spread": 0, "cap": 0}
    for o in options:
        m = LIMITS.match(o)
        if m and m[1] in other:
            other[m[1]] = int(m[2])
        elif m and found:
            setattr(found[-1], m[1], int(m[2]))
        elif o in FAULTS or o in FRAME_FAULTS:
            found.append(Fault(o))
        elif not re.fullmatch(r"v\d+|[sw]|think|thinktags|refusal|filtered|length", o):
            raise KeyError(o)
    return found, other
