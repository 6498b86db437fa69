"""iFlytek's Spark over a WebSocket: the address is signed, frames answer."""
import json

import keys
import samples
import sign
from shapes import Asked, Bad, Reply, Shape, messages

DOMAINS = {"/v1.1/chat": ("lite", "general"), "/v2.1/chat": ("generalv2",), "/v3.1/chat": ("generalv3",),
           "/chat/pro-128k": ("pro-128k",), "/v3.5/chat": ("generalv3.5",), "/chat/max-32k": ("max-32k",),
           "/v4.0/chat": ("4.0Ultra",), "/v1/x1": ("x1",)}


class Spark(Shape):
    def where(self, row, req):
        return req.path in (row.base + p for p in DOMAINS)

    def sign(self, row, req, now):
        """The handshake: 401 for a wrong signature, 403 for a wrong clock."""
        wrong = sign.iflytek(req, keys.value(row.env[1]), keys.value(row.env[2]), now)
        if wrong is None:
            return None
        name = "handshake-403.json" if wrong == sign.CLOCK else "handshake-401.json"
        e = json.loads(samples.read(row.sample, name))
        return Reply(e["_http_status"], {}, json.dumps(e["body"]).encode())

    def read(self, row, req):
        """req.body is the text frame that came after the handshake."""
        try:
            body = json.loads(req.body)
            head, chat = body["header"], body["parameter"]["chat"]
            found = messages(body["payload"]["message"], "text")
        except (ValueError, KeyError, TypeError):
            raise Bad("expected header, parameter.chat, payload.message.text")
        if head.get("app_id") != keys.value(row.env[0]) or len(str(head.get("uid", ""))) > 32:
            raise Bad("header: wrong app_id or uid too long")
        domain = chat.get("domain")
        known = DOMAINS[req.path[len(row.base):]]
        if domain not in known and domain in sum(DOMAINS.values(), ()):
            raise LookupError("domain")
        params = {k: v for k, v in chat.items() if k != "domain"}
        return Asked(domain, found, params, True)

    def reply(self, row, a):
        out = super().reply(row, a)
        out.frames, out.events = [e.strip() for e in out.events], None
        return out

    def refuse(self, row, words):
        frame = {"header": {"code": 10005, "message": words, "sid": "mock", "status": 2}}
        return Reply(frames=[json.dumps(frame, ensure_ascii=False).encode()])

    def failure(self, row, name):
        """An error of the table of samples as a frame."""
        return Reply(frames=[samples.error(row.sample, name)[2]])
