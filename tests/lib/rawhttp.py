# SPDX-License-Identifier: MIT
"""A small HTTP/1.1 client that sends targets verbatim and reads framing strictly.

http.client refuses or rewrites hostile targets, so the request line is built here; the
reply is parsed by http.client. Knows no route.
"""

import http.client
import socket

from fcgi import Gone, Reply, to_bytes


class Client:
    """One connection a request."""

    def __init__(self, port, timeout=30):
        self.port = port
        self.timeout = timeout
        self.source = "127.0.0.1"

    def request(self, method, target, headers=None, body=b""):
        return self.send(self.encode(method, target, headers or {}, body), method)

    def encode(self, method, target, headers, body):
        lines = [to_bytes(method) + b" " + to_bytes(target) + b" HTTP/1.1"]
        sent = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **headers}
        if body or method in ("POST", "PUT", "PATCH"):
            sent["Content-Length"] = str(len(body))
        lines += [to_bytes(n) + b": " + to_bytes(v) for n, v in sent.items()]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def send(self, raw, method="GET"):
        here = ("127.0.0.1", self.port)
        with socket.create_connection(here, self.timeout, (self.source, 0)) as sock:
            sock.sendall(raw)
            reply = http.client.HTTPResponse(sock, method=method)
            try:
                reply.begin()
                body = reply.read()
            except (http.client.HTTPException, ConnectionError) as e:
                raise Gone(repr(e)) from e
            headers = {n.lower(): v for n, v in reply.getheaders()}
            return Reply(reply.status, headers, body, head_text=str(reply.headers))

    def get(self, target, headers=None):
        return self.request("GET", target, headers)

    def head(self, target, headers=None):
        return self.request("HEAD", target, headers)
