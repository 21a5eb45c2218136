"""Rounds of requests over HTTP/2 in which every byte is the same each time: what a server does for them can be counted.

A round is so many requests in flight, dealt out to connections. The server is stopped (SIGSTOP) while they are written, so
that it finds all of them in one turn however busy the machine is; the next round begins when all are answered and the
server sleeps. Requests have the head that a gRPC client sends: indexed but for `grpc-timeout`, which clients spell out
each time.
"""
import os
import pathlib
import select
import signal
import socket
import ssl
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
FRAME_BYTES = 16384
WINDOW = (1 << 31) - 1
PATIENCE = 120  # seconds


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def heads(path, scheme):
    """The first request's head, which fills HPACK's table, and all later ones', which point into it (RFC 7541)."""
    def literal(first, text):
        return bytes([first, len(text)]) + text.encode()
    method, scheme = b"\x83", b"\x86" if scheme == "http" else b"\x87"
    timeout = literal(0x0f, "")[:1] + bytes([62 - 15]) + literal(8, "5000000u")[1:]
    first = (method + scheme + literal(0x44, path) + literal(0x41, "localhost") + literal(0x5f, "application/grpc")
             + literal(0x40, "te") + literal(8, "trailers")[1:] + literal(0x7a, "vencejo-budgets/1")
             + literal(0x40, "grpc-timeout") + literal(8, "5000000u")[1:])
    # From the newest, 62: grpc-timeout, user-agent, te, content-type, :authority, :path.
    return first, method + scheme + bytes(128 + index for index in (67, 66, 65, 64, 63)) + timeout


def request(message):
    """The DATA frames of a unary call, each without its stream's number."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    parts = [body[i:i + FRAME_BYTES] for i in range(0, len(body), FRAME_BYTES)]
    return [(frame(DATA, END_STREAM if part is parts[-1] else 0, 0, part)[:5], part) for part in parts]


class Connection:
    def __init__(self, port, path, messages, is_tls):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.setblocking(False)
        self.head, self.later_head = heads(path, "https" if is_tls else "http")
        self.requests = [request(message) for message in messages]
        self.stream, self.waiting, self.body_bytes, self.is_greeted = -1, 0, 0, False
        self.received, self.body = bytearray(), None
        window = (4).to_bytes(2, "big") + WINDOW.to_bytes(4, "big")
        self.out = memoryview(PREFACE + frame(SETTINGS, 0, 0, window)
                              + frame(WINDOW_UPDATE, 0, 0, (WINDOW - 65535).to_bytes(4, "big")))

    @property
    def is_busy(self):
        return self.waiting > 0 or len(self.out) > 0 or not self.is_greeted

    def ask(self):
        """One round's requests, ready to be written."""
        parts = []
        for frames in self.requests:
            self.stream += 2
            number = self.stream.to_bytes(4, "big")
            parts.append(frame(HEADERS, END_HEADERS, self.stream, self.head))
            self.head = self.later_head
            for beginning, part in frames:
                parts += [beginning, number, part]
        self.out, self.waiting, self.body_bytes = memoryview(b"".join(parts)), len(self.requests), 0

    def write(self):
        try:
            while self.out:
                self.out = self.out[self.socket.send(self.out[:1 << 20]):]
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass

    def read(self):
        try:
            while part := self.socket.recv(1 << 18):
                self.received += part
                self.parse()
            raise ConnectionError("the server closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass

    def parse(self):
        at = 0
        while len(self.received) - at >= 9:
            end = at + 9 + int.from_bytes(self.received[at:at + 3], "big")
            if end > len(self.received):
                break
            self.take(self.received[at + 3], self.received[at + 4], memoryview(self.received)[at + 9:end].tobytes())
            at = end
        del self.received[:at]

    def take(self, kind, flags, payload):
        if kind == DATA:
            self.body_bytes += len(payload)
            if self.body is not None:
                self.body += payload
        elif kind == HEADERS:
            self.waiting -= flags & END_STREAM
        elif kind == SETTINGS and flags & ACK:
            self.is_greeted = True
        elif kind == SETTINGS:
            self.out = memoryview(bytes(self.out) + frame(SETTINGS, ACK, 0))
        elif kind in (RST_STREAM, GOAWAY):
            raise ConnectionError(f"the server gave up a call: frame type {kind}, {payload.hex()}")


class Load:
    """`messages` in flight on `connections`, in rounds. `process`: the server's, to be stopped while a round is written."""

    def __init__(self, port, path, messages, connections, is_tls, process=None):
        self.process = process
        each = len(messages) // connections
        self.connections = [Connection(port, path, messages[i * each:(i + 1) * each], is_tls)
                            for i in range(connections)]
        self.pump()

    def round(self):
        """Returns the bytes of all answers' messages: a call that is refused has none."""
        for connection in self.connections:
            connection.ask()
        if self.process:
            wait_until_asleep(self.process)
            os.kill(self.process, signal.SIGSTOP)
        try:
            for connection in self.connections:
                connection.write()
        finally:
            if self.process:
                os.kill(self.process, signal.SIGCONT)
        self.pump()
        return sum(connection.body_bytes for connection in self.connections)

    def first_round(self):
        """The same; returns the answers' bodies, to be looked at."""
        for connection in self.connections:
            connection.body = bytearray()
        self.round()
        bodies = [bytes(connection.body) for connection in self.connections]
        for connection in self.connections:
            connection.body = None
        return bodies

    def pump(self):
        while busy := [connection for connection in self.connections if connection.is_busy]:
            by_socket = {connection.socket: connection for connection in busy}
            readable, writable, _ = select.select(by_socket, [each.socket for each in busy if each.out], [], PATIENCE)
            assert readable or writable, f"the server did not answer within {PATIENCE} s"
            for each in writable:
                by_socket[each].write()
            for each in readable:
                by_socket[each].read()

    def close(self):
        for connection in self.connections:
            connection.socket.close()


def wait_until_asleep(process):
    """Until none of its threads runs: the turn that answered is over."""
    while any(is_running(thread) for thread in pathlib.Path(f"/proc/{process}/task").iterdir()):
        time.sleep(0.0005)


def is_running(thread):
    try:
        return (thread / "stat").read_text().rpartition(") ")[2][0] not in "SI"
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return False
