"""What the shapes have in common: what was asked, what is answered.

A shape is a class in a file of its own; its methods see one request each:

    where(row, req)        whether the address is one of this shape
    other(mock, row, req)  a reply to a call that asks no model, or None
    sign(row, req, now)    None, or the name of the error sample to answer with
    read(row, req)         Asked; raises Bad for what cannot be read
    reply(row, a)          Reply
    refuse(row, words)     Reply to wrong parameters, in the vendor's words
"""
import hashlib
import json
import re

import samples

MARK = re.compile(r"题号(\d+)")
LETTERS = "ABCD"


class Bad(Exception):
    """A request that cannot be read."""


class Asked:
    """One request, whatever its shape."""

    def __init__(self, model, messages, params, stream=False):
        self.model, self.stream = str(model), bool(stream)
        self.messages = messages  # [(role, text)]
        self.params = params  # what was sent beside model and messages
        self.text = messages[-1][1] if messages else ""
        marks = MARK.findall(self.text)
        self.mark = int(marks[-1]) if marks else None
        key = json.dumps(messages, ensure_ascii=False).encode()
        self.key = hashlib.sha256(key).digest()
        self.options = self.model.split("~")[1:]
        # One letter in three is a token: near enough to count with.
        self.n_in = sum(len(t) for _, t in messages) // 3 + 5

    def letter(self):
        """The option that the mock picks: by the number in the question, so
        that whoever wrote the question can know it, else by the prompt."""
        return letter(self.mark) if self.mark is not None else LETTERS[self.key[0] % 4]


def letter(mark):
    return LETTERS[hashlib.sha256(b"%d" % mark).digest()[0] % 4]


class Reply:
    """What goes back: `body` of a whole one, `events` of a stream."""

    def __init__(self, status=200, headers=None, body=b"", events=None, mime="application/json", frames=None):
        self.status, self.headers, self.mime = status, dict(headers or {}), mime
        self.body, self.events, self.frames = body, events, frames
        self.text, self.n_in, self.n_out = None, 0, 0


def error(row, *names):
    """The vendor's own error by the names of its samples."""
    status, headers, body = samples.error(row.sample, *names)
    return Reply(status, headers, body)


def plain(status, value, headers=None):
    return Reply(status, headers, json.dumps(value, ensure_ascii=False).encode())


def loads(req):
    try:
        body = json.loads(req.body)
    except ValueError:
        raise Bad("the body is not JSON")
    if not isinstance(body, dict):
        raise Bad("the body is not an object")
    return body


def content(value):
    """Text of a message: text itself, or parts."""
    if isinstance(value, list):
        return "".join(p.get("text", "") for p in value)
    if not isinstance(value, str):
        raise Bad("content: expected text")
    return value


def messages(body, name="messages", role="role", text="content"):
    try:
        found = [(m[role], content(m[text])) for m in body[name]]
    except (KeyError, TypeError, AttributeError):
        raise Bad("%s: expected a list of {%s, %s}" % (name, role, text))
    if not found:
        raise Bad("%s: empty" % name)
    return found


class Shape:
    response, streaming = "response.json", "stream.txt"
    mime = "text/event-stream"

    def other(self, mock, row, req):
        return None

    def answer(self, row, a):
        """The text: a sentence, or the letter alone where tokens are scored."""
        return "答案：%s。" % a.letter()

    def stream_name(self, row, a):
        return self.streaming

    def kind(self, a):
        """The type of a stream."""
        return self.mime

    def source(self, row, a):
        """The folder of samples."""
        return row.body_sample or row.sample

    def keep(self, row, a, event):
        """Whether an event of the sample is sent for this request."""
        return True

    def reply(self, row, a):
        text = self.answer(row, a)
        n_out = len(text)
        blanks = samples.blanks(text, text[:len(text) // 2], a.n_in, n_out, a.model)
        source = self.source(row, a)
        if a.stream:
            events = [t.fill(blanks) for t in samples.stream(source, self.stream_name(row, a))]
            out = Reply(events=[e for e in events if self.keep(row, a, e)], mime=self.kind(a))
        else:
            out = Reply(body=samples.whole(source, self.response).fill(blanks))
        out.text, out.n_in, out.n_out = text, a.n_in, n_out
        return out
