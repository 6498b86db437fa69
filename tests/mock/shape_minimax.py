"""MiniMax's first shape: bots and senders, errors with HTTP 200."""
import keys
from shapes import Asked, Bad, Shape, loads, plain

ROLES = {"USER": "user", "BOT": "assistant"}


class MiniMaxPro(Shape):
    def where(self, row, req):
        return req.path == row.base + "/v1/text/chatcompletion_pro"

    def sign(self, row, req, now):
        good = (req.headers.get("authorization") == "Bearer " + keys.value(row.env[0])
                and dict(req.query_list).get("GroupId") == keys.value(row.env[1]))
        return None if good else "auth"

    def read(self, row, req):
        body = loads(req)
        try:
            bots = {b["bot_name"]: b["content"] for b in body["bot_setting"]}
            found = [("system", next(iter(bots.values())))]
            for m in body["messages"]:
                if m["sender_type"] == "BOT" and m["sender_name"] not in bots:
                    raise Bad("sender_name: no such bot")
                found.append((ROLES[m["sender_type"]], m["text"]))
            to = body["reply_constraints"]
            if to["sender_type"] != "BOT" or to["sender_name"] not in bots:
                raise Bad("reply_constraints: no such bot")
        except (KeyError, TypeError, StopIteration):
            raise Bad("expected bot_setting, messages, reply_constraints")
        params = {k: v for k, v in body.items()
                  if k not in ("model", "messages", "bot_setting", "reply_constraints", "stream")}
        return Asked(body.get("model"), found, params, body.get("stream"))

    def refuse(self, row, words):
        return plain(200, {"created": 0, "model": "", "reply": "", "choices": None,
                           "base_resp": {"status_code": 2013, "status_msg": words}})
