# SPDX-License-Identifier: MIT
"""Many HTTP clients at once, in one process: each has a connection of its own, which it
keeps, and asks again when it has its answer. Light enough that the servers get the machine.

A round ends after so many requests of each client, or after so many seconds; what is asked
for by then is still waited for. Every answer is kept in numbers, an error of any kind with
its reason.
"""

import asyncio
import collections
import json
import time

OWN_503 = "Too many requests wait"  # the sentence of the service's shedder


class Client(asyncio.Protocol):
    """One connection at a time; reads framing strictly, by Content-Length only."""

    def __init__(self, load):
        self.load = load
        self.transport = None
        self.buffer = bytearray()
        self.used = False  # it had a request already
        self.answer = None  # a future, while a request is under way

    def connection_made(self, transport):
        self.transport = transport
        self.buffer.clear()
        self.used = False

    def connection_lost(self, exc):
        self.transport = None
        if self.answer and not self.answer.done():
            reason = exc or f"closed after {len(self.buffer)} bytes"
            self.answer.set_exception(ConnectionError(str(reason)))

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or not self.answer or self.answer.done():
            return
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        if "content-length" not in headers:
            self.answer.set_exception(ConnectionError(f"no Content-Length: {lines}"))
            return
        length = int(headers["content-length"])
        if len(self.buffer) < end + 4 + length:
            return
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        self.answer.set_result((int(lines[0].split()[1]), headers, body))

    async def connect(self):
        if not self.transport:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self.load.port)

    async def get(self, target):
        """As browsers do: a server may end a kept connection just when the next request is on
        its way; then it is sent once more, over a new one."""
        if not self.used:
            return await self.get_once(target)
        try:
            return await self.get_once(target)
        except ConnectionError:
            if self.buffer:
                raise
            self.close()
            self.load.again += 1
            return await self.get_once(target)

    async def get_once(self, target):
        await self.connect()
        self.used = True
        self.answer = asyncio.get_running_loop().create_future()
        request = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.load.port}\r\n\r\n"
        self.transport.write(request.encode())
        try:
            status, headers, body = await asyncio.wait_for(self.answer, self.load.timeout_s)
        except BaseException:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return status, headers, body

    def close(self):
        if self.transport:
            self.transport.abort()
            self.transport = None


class Load:
    """targets: a list; client number i starts at the i-th, and goes on from there. right: the
    body of each target, when bodies are to be compared."""

    def __init__(self, port, targets, right=None, timeout_s=60):
        self.port, self.targets, self.right = port, targets, right
        self.timeout_s = timeout_s
        self.statuses = collections.Counter()
        self.shed = 0  # 503 of the service's own, as it has to be
        self.errors = []  # whatever is neither that nor a right 200
        self.again = 0  # sent again, because the kept connection was closed
        self.shed_s = []  # when each was told, from the beginning
        self.times_s = []  # that each 200 took
        self.began = None

    def take(self, target, answer, took_s):
        status, headers, body = answer
        self.statuses[status] += 1
        if status == 200:
            self.times_s.append(took_s)
            if self.right and self.right[target] != body:
                self.errors.append(f"wrong bytes of {target}")
        elif status == 503 and is_own(headers, body):
            self.shed += 1
            self.shed_s.append(time.monotonic() - self.began)
        else:
            self.errors.append(f"{status} {headers} {body[:200]!r}")

    async def ask(self, client, target):
        began = time.monotonic()
        try:
            self.take(target, await client.get(target), time.monotonic() - began)
        except (OSError, asyncio.TimeoutError) as e:
            self.errors.append(f"{type(e).__name__}: {e}")

    async def one(self, number, requests, end, start):
        client = Client(self)
        try:
            await client.connect()
        except OSError as e:
            self.errors.append(f"connect: {e}")
            start.count_down()
            return
        await start.wait()
        done = 0
        while done < requests and time.monotonic() < end():
            await self.ask(client, self.targets[(number + done) % len(self.targets)])
            done += 1
        client.close()

    async def round(self, clients, requests, seconds):
        start = Start(clients)
        tasks = [
            asyncio.create_task(self.one(i, requests, lambda: self.began + seconds, start))
            for i in range(clients)
        ]
        await start.everybody.wait()
        self.began = time.monotonic()
        start.go.set()
        await asyncio.gather(*tasks)

    def run(self, clients, requests=float("inf"), seconds=float("inf")):
        """All connect first, and ask at the same moment then."""
        asyncio.run(self.round(clients, requests, seconds))
        return self

    def summary(self):
        times = sorted(self.times_s) or [0]
        return (
            f"{dict(self.statuses)}, {self.shed} shed, {self.again} sent again, "
            f"{len(self.errors)} errors, 200 within "
            f"{times[len(times) // 2]:.2f} s (half), {times[-1]:.2f} s (all)"
        )


class Start:
    """Everybody has a connection, or failed to get one."""

    def __init__(self, clients):
        self.missing = clients
        self.everybody = asyncio.Event()
        self.go = asyncio.Event()

    def count_down(self):
        self.missing -= 1
        if self.missing == 0:
            self.everybody.set()

    async def wait(self):
        self.count_down()
        await self.go.wait()


def is_own(headers, body):
    return (
        headers.get("retry-after") == "1"
        and headers.get("x-content-type-options") == "nosniff"
        and headers.get("content-type") == "application/json"
        and json.loads(body)["detail"].startswith(OWN_503)
    )
