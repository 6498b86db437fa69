"""HTTP/1.1 and WebSockets on asyncio, small enough to misbehave on purpose.

Connections are kept alive and answered one request at a time.  A fault gets
the connection itself and writes what it likes.
"""
import asyncio
import base64
import hashlib
import socket
import struct
import urllib.parse

REASON = {101: "Switching Protocols", 200: "OK", 201: "Created", 307: "Temporary Redirect",
          400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, _, self.query = target.partition("?")

    @property
    def query_list(self):
        return urllib.parse.parse_qsl(self.query, keep_blank_values=True)


def head(status, headers):
    lines = ["HTTP/1.1 %d %s" % (status, REASON.get(status, "Status"))]
    lines += ["%s: %s" % h for h in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def head_of(r, **more):
    """The head of a reply, its length left to the caller."""
    return head(r.status, {"Content-Type": r.mime, **r.headers, **more})


def whole(r):
    """A reply as it should be."""
    if r.events is None:
        return head_of(r, **{"Content-Length": len(r.body)}) + r.body
    return head_of(r, **{"Transfer-Encoding": "chunked"}) + b"".join(chunk(e) for e in r.events) + chunk(b"")


def frame(kind, data=b"", last=True):
    n = len(data)
    size = bytes([n]) if n < 126 else b"\x7e" + struct.pack(">H", n) if n < 65536 else b"\x7f" + struct.pack(">Q", n)
    return bytes([kind | (0x80 if last else 0)]) + size + data


def accept(key):
    """Sec-WebSocket-Accept (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


class Frames:
    """Frames of a client: masked, or the connection fails."""

    def __init__(self):
        self.buf, self.text = b"", b""

    def feed(self, data):
        """(kind, data) of what is complete; raises ValueError."""
        self.buf += data
        while len(self.buf) >= 2:
            if not self.buf[1] & 0x80:
                raise ValueError("an unmasked frame")
            n, at = self.buf[1] & 127, 2
            if n == 126:
                n, at = (struct.unpack(">H", self.buf[2:4])[0] if len(self.buf) >= 4 else 1 << 60), 4
            elif n == 127:
                n, at = (struct.unpack(">Q", self.buf[2:10])[0] if len(self.buf) >= 10 else 1 << 60), 10
            if len(self.buf) < at + 4 + n:
                return
            mask, kind, last = self.buf[at:at + 4], self.buf[0] & 15, self.buf[0] & 0x80
            data = self.buf[at + 4:at + 4 + n]
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
            self.buf = self.buf[at + 4 + n:]
            if kind >= 8:
                yield kind, data
                continue
            self.text += data
            if last:
                text, self.text = self.text, b""
                yield TEXT, text


class Connection(asyncio.Protocol):
    """One connection to the port of a row."""

    def __init__(self, mock, row):
        self.mock, self.row, self.buf, self.busy = mock, row, b"", False
        self.frames = None  # WebSocket: after the handshake
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mock.connected(self, 1)

    def connection_lost(self, exc):
        if not self.closed.done():
            self.closed.set_result(None)
        self.mock.connected(self, -1)

    def data_received(self, data):
        if self.frames is not None:
            self.frame_data(data)
            return
        self.buf += data
        self.pump()

    def pump(self):
        while not self.busy and not self.transport.is_closing():
            end = self.buf.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.buf[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            n = int(headers.get("content-length", 0))
            if len(self.buf) < end + 4 + n:
                return
            body, self.buf = self.buf[end + 4:end + 4 + n], self.buf[end + 4 + n:]
            method, target, _ = lines[0].split(" ", 2)
            self.busy = True
            self.mock.request(self, Request(method, target, headers, body))

    def write(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    def done(self):
        """The reply is written: on to the next request."""
        self.busy = False
        self.pump()

    def close(self):
        self.transport.close()

    def reset(self):
        """Closes with RST: what is on its way is lost too."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def pause(self, seconds):
        """Waits, but not for a client that has gone."""
        await asyncio.wait([self.closed], timeout=seconds)

    def upgrade(self, req):
        """Answers the handshake; what comes then are frames."""
        self.frames, self.opening = Frames(), req
        self.write(head(101, {"Upgrade": "websocket", "Connection": "Upgrade",
                              "Sec-WebSocket-Accept": accept(req.headers.get("sec-websocket-key", ""))}))
        rest, self.buf = self.buf, b""
        if rest:
            self.frame_data(rest)

    def frame_data(self, data):
        try:
            for kind, data in self.frames.feed(data):
                if kind == TEXT:
                    self.mock.frame(self, self.opening, data)
                elif kind == PING:
                    self.write(frame(PONG, data))
                elif kind == CLOSE:
                    self.close()
        except ValueError as e:
            self.mock.log({"row": self.row.id, "refused": str(e)})
            self.write(frame(CLOSE, struct.pack(">H", 1002)))
            self.close()
