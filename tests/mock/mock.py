#!/usr/bin/env python3
"""Mock vendors: every row of the table on a port of its own.

    python3 mock.py --out DIR [--idle S] [--life S] [--tls CERT KEY] [--only a,b]

Writes DIR/models.json, a models file with every row's address, and appends a
line of JSON to DIR/log for every request, without keys; then prints "ready"
and serves until it is idle for --idle seconds, --life seconds old, or told by
a signal.  SIGUSR1 heals all faults, SIGUSR2 lets every minted token expire.

Answers follow from the prompt: a question with 题号17 in it gets the letter
that shapes.letter(17) says, so that a suite of such questions has a score that
is known beforehand.  Faults are asked for in the model's name, see faults.py.
"""
import argparse
import asyncio
import functools
import json
import os
import resource
import signal
import ssl
import sys
import time

import faults
import keys
import shapes
from rows import ROWS
from wire import CLOSE, Connection, frame, head, whole


# Rows that --tls serves a second time: one of HTTP, the one of WebSockets.
TLS = ("openai", "iflytek_spark_ws")


class Thief(asyncio.Protocol):
    """Another host: whoever is sent here must not bring a key."""

    def __init__(self, mock):
        self.mock, self.buf = mock, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buf += data
        if b"\r\n\r\n" in self.buf:
            text = self.buf.decode("latin-1")
            self.mock.log({"row": "thief", "key": keys.blank(text) != text})
            self.transport.write(head(200, {"Content-Length": 0, "Connection": "close"}))
            self.transport.close()


class Mock:
    def __init__(self, args):
        self.args, self.healed, self.generation = args, False, 0
        self.tries, self.flight, self.counts = {}, {}, {}
        self.open, self.most_open, self.last = 0, 0, time.monotonic()
        self.out = open(os.path.join(args.out, "log"), "a", buffering=1, encoding="utf-8")
        self.plans = functools.lru_cache(None)(lambda options: faults.parse(options))
        self.tasks, self.thief_port, self.ports = set(), 0, {}

    def log(self, line):
        self.out.write(keys.blank(json.dumps(line, ensure_ascii=False)) + "\n")

    def count(self, what, row):
        self.log({"row": row, "call": what})

    def connected(self, c, n):
        self.open += n
        self.most_open = max(self.most_open, self.open)
        self.last = time.monotonic()

    # One request.

    def request(self, c, req):
        self.last = time.monotonic()
        row, shape = c.row, c.row.shape
        c.target = req.target
        reply = shape.other(self, row, req)
        if reply is None and not shape.where(row, req):
            reply = shapes.plain(404, {"error": {"message": "no such address: " + req.path, "code": "mock_404"}})
            self.log({"row": row.id, "lost": req.method + " " + req.path})
        if reply is None:
            wrong = shape.sign(row, req, time.time())
            if isinstance(wrong, str):
                reply = shapes.error(row, wrong, "auth")
            elif wrong:
                reply = wrong
            if wrong:
                self.log({"row": row.id, "denied": wrong if isinstance(wrong, str) else reply.status})
        if reply is None and req.headers.get("upgrade", "").lower() == "websocket":
            c.upgrade(req)
            return
        if reply is None:
            self.ask(c, req, faults.FAULTS)
        else:
            c.write(whole(reply))
            c.done()

    def frame(self, c, opening, data):
        """A text frame is a request of its own."""
        opening.body = data
        self.ask(c, opening, faults.FRAME_FAULTS)

    def ask(self, c, req, known):
        """A request that is well signed: reads it, answers or misbehaves."""
        row, shape = c.row, c.row.shape
        line = {"row": row.id, "ms": int(time.time() * 1000)}
        try:
            a = shape.read(row, req)
            line.update(model=a.model, mark=a.mark, stream=a.stream, params=a.params, n=len(a.messages))
            plan, other = self.plans(tuple(a.options))
            words = next((w for w in (rule(a) for rule in row.rules) if w), None)
            reply = shape.refuse(row, words) if words else shape.reply(row, a)
        except shapes.Bad as e:
            a, words, reply = None, str(e), shape.refuse(row, str(e))
        except KeyError as e:
            a, words, reply = None, "no such fault: %s" % e, shape.refuse(row, "no such fault: %s" % e)
        except LookupError as e:
            a, words, reply = None, str(e), shape.failure(row, str(e))
        if words:
            line["refused"] = words
            self.log(line)
            self.send(c, reply)
            return
        key = row.id, a.model, a.stream, a.key
        self.tries[key] = tries = self.tries.get(key, 0) + 1
        fault = None if self.healed else next((f for f in plan if f.hits(a, tries)), None)
        busy = self.flight.get(key[:3], 0) + 1
        delay = (other["delay"] + other["spread"] * (a.key[1] / 256)) / 1000
        if other["cap"] and busy > other["cap"] and not fault:
            fault, delay = faults.Fault("rate"), 0
        line.update({"try": tries, "busy": busy, "in": reply.n_in, "out": reply.n_out})
        if fault:
            line["fault"] = fault.name
        self.log(line)
        f = known[fault.name] if fault else None
        if not f and not delay:
            self.send(c, reply)
            return
        self.flight[key[:3]] = busy
        task = asyncio.get_running_loop().create_task(self.late(c, reply, f, delay, key[:3]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def late(self, c, reply, fault, delay, key):
        try:
            if delay:
                await c.pause(delay)
            if fault:
                await fault(c, reply)
                if c.frames is None:
                    c.done()
            else:
                self.send(c, reply)
        except Exception as e:  # a fault of ours: tests look for it
            self.log({"row": c.row.id, "broken": repr(e)})
            c.close()
        finally:
            self.flight[key] -= 1

    def send(self, c, reply):
        if c.frames is not None:
            faults.send(c, reply.frames)
            faults.finish(c)
        else:
            c.write(whole(reply))
            c.done()

    # The servers.

    def address(self, row, scheme="http"):
        base = "%s://127.0.0.1:%d%s" % (scheme, self.ports[row.id, scheme], row.base)
        return base.replace("http", "ws", 1) if row.id == "iflytek_spark_ws" else base

    def write_models(self):
        """Every row as a model by its identifier."""
        found = [{"id": r.id, "provider": r.id, "model": r.model, "base_url": self.address(r)} for r in ROWS
                 if (r.id, "http") in self.ports]
        found += [{"id": r.id + "+tls", "provider": r.id, "model": r.model, "base_url": self.address(r, "https")}
                  for r in ROWS if (r.id, "https") in self.ports]
        path = os.path.join(self.args.out, "models.json")
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"models": found}, f, ensure_ascii=False, indent=1)
        os.replace(path + ".new", path)

    async def serve(self):
        loop = asyncio.get_running_loop()

        async def listen(make, host="127.0.0.1", context=None):
            server = await loop.create_server(make, host, 0, ssl=context, backlog=2048)
            return server.sockets[0].getsockname()[1]

        self.thief_port = await listen(lambda: Thief(self), "127.0.0.2")
        only = self.args.only.split(",") if self.args.only else [r.id for r in ROWS]
        for row in ROWS:
            row.mock = self
            if row.id in only:
                self.ports[row.id, "http"] = await listen(functools.partial(Connection, self, row))
        if self.args.tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self.args.tls)
            for row in ROWS:
                if row.id in only and row.id in TLS:
                    make = functools.partial(Connection, self, row)
                    self.ports[row.id, "https"] = await listen(make, context=context)
        self.write_models()
        stop = asyncio.Event()
        for s in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(s, stop.set)
        loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(self, "healed", True))
        loop.add_signal_handler(signal.SIGUSR2, lambda: setattr(self, "generation", self.generation + 1))
        print("ready", flush=True)
        start = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if now - start > self.args.life or (self.open == 0 and now - self.last > self.args.idle):
                break
            try:
                await asyncio.wait_for(stop.wait(), 0.5)
            except asyncio.TimeoutError:
                pass
        self.log({"most_open": self.most_open})


def main():
    """Files for a thousand connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--idle", type=float, default=120)
    p.add_argument("--life", type=float, default=900)
    p.add_argument("--only", default="")
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    asyncio.run(Mock(p.parse_args()).serve())


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
