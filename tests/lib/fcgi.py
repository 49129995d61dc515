# SPDX-License-Identifier: MIT
"""A FastCGI client in pure Python: one request, one connection.

For what a web server would refuse or rewrite before the service sees it, and for tests
that want no web server between. Knows FastCGI and CGI heads; knows no route.
"""

import socket
import struct

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN = 8, 9, 10, 11
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
RECORD_MAX = 65535


class Gone(Exception):
    """The connection ended before the whole reply was there."""


class Reply:
    """Status, headers and body. headers has lower-case names; raw is the CGI output."""

    def __init__(self, status, headers, body, raw=b"", head_text=""):
        self.status = status
        self.headers = headers
        self.body = body
        self.raw = raw
        self.head_text = head_text

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"

    @property
    def x_cache(self):
        return self.headers.get("x-cache")


def length(n):
    return struct.pack("!B", n) if n < 128 else struct.pack("!I", n | 0x80000000)


def encode_params(params):
    out = bytearray()
    for name, value in params.items():
        name, value = to_bytes(name), to_bytes(value)
        out += length(len(name)) + length(len(value)) + name + value
    return bytes(out)


def to_bytes(text):
    return text if isinstance(text, bytes) else str(text).encode("utf-8")


def record(kind, content, request_id=1, *, version=1, size=None, padding=0, reserved=0):
    """size: what the header says, when that is not so."""
    said = len(content) if size is None else size
    head = struct.pack("!BBHHBB", version, kind, request_id, said, padding, reserved)
    return head + content + b"x" * padding


def stream(kind, content):
    out = bytearray()
    for at in range(0, len(content), RECORD_MAX):
        out += record(kind, content[at : at + RECORD_MAX])
    return bytes(out + record(kind, b""))


def encode_request(params, body=b""):
    begin = struct.pack("!HB5x", RESPONDER, 0)
    return record(BEGIN, begin) + stream(PARAMS, encode_params(params)) + stream(STDIN, body)


def cgi_params(method, target, headers, body):
    """The variables that lighttpd sends; target goes out verbatim."""
    raw = to_bytes(target)
    path, _, query = raw.partition(b"?")
    params = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": raw,
        "QUERY_STRING": query,
        "SCRIPT_NAME": path,
        "PATH_INFO": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REQUEST_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
    }
    for name, value in headers.items():
        cgi = name.upper().replace("-", "_")
        params[cgi if cgi == "CONTENT_TYPE" else "HTTP_" + cgi] = value
    return params


def read_exactly(sock, n):
    out = bytearray()
    while len(out) < n:
        piece = sock.recv(n - len(out))
        if not piece:
            raise Gone(f"connection closed {n - len(out)} bytes early")
        out += piece
    return bytes(out)


def read_reply(sock):
    """All of STDOUT up to END_REQUEST."""
    out = bytearray()
    while True:
        _, kind, _, size, padding = struct.unpack("!BBHHBx", read_exactly(sock, 8))
        content = read_exactly(sock, size + padding)[:size]
        if kind == STDOUT:
            out += content
        elif kind == END:
            return bytes(out)


def parse_cgi(raw):
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        raise Gone(f"no end of the CGI head in {raw[:200]!r}")
    headers, status = {}, 200
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            assert name.lower() not in headers, f"header {name} twice"
            headers[name.lower()] = value.strip()
    return Reply(status, headers, body, raw, head.decode("latin-1"))


def connect(address, timeout):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(address)
    except OSError as e:
        sock.close()
        raise Gone(f"connect: {e}") from e
    return sock


class Client:
    """address: the path of a unix socket, or (host, port)."""

    def __init__(self, address, timeout=30):
        self.address = address
        self.timeout = timeout
        self.source = "127.0.0.1"

    def request(self, method, target, headers=None, body=b"", params=None):
        """Sends target as it is. params: further CGI variables, None removes one."""
        variables = cgi_params(method, target, headers or {}, body)
        variables["REMOTE_ADDR"] = self.source
        variables.update(params or {})
        variables = {k: v for k, v in variables.items() if v is not None}
        return self.send(encode_request(variables, body))

    def send(self, request):
        with connect(self.address, self.timeout) as sock:
            try:
                sock.sendall(request)
                return parse_cgi(read_reply(sock))
            except (ConnectionError, BrokenPipeError) as e:
                raise Gone(str(e)) from e

    def abandon(self, target):
        """Asks, and goes away without the answer."""
        with connect(self.address, self.timeout) as sock:
            sock.sendall(encode_request(cgi_params("GET", target, {}, b"")))

    def get(self, target, headers=None):
        return self.request("GET", target, headers)

    def head(self, target, headers=None):
        return self.request("HEAD", target, headers)
