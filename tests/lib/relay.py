# SPDX-License-Identifier: MIT
"""Stands between slidecached and a cache server, and lies, waits or breaks as it is told.

A relay listens where the service connects, on a private unix socket or a free loopback
port. How it treats what passes is one object, a mode, that can be changed at any time:

    relay.set(Delay(0.2)); ...; relay.set(Pass())

It counts connections and round trips: bursts of requests that were answered.
"""

import asyncio
import os
import pathlib
import random
import re
import shutil
import socket
import tempfile
import threading

CHUNK = 1 << 16
GIB = 1 << 30


class Pass:
    """Everything as it is. Base of all modes: what happens to requests and to answers."""

    async def connected(self, link):
        pass

    async def request(self, link, data):
        await link.ask(data)

    async def reply(self, link, data):
        await link.answer(data)


class Delay(Pass):
    """Every answer comes late."""

    def __init__(self, seconds):
        self.seconds = seconds

    async def reply(self, link, data):
        await asyncio.sleep(self.seconds)
        await link.answer(data)


class Silent(Pass):
    """Half-open: takes everything and never answers."""

    async def request(self, link, data):
        link.dead = True


class HangUp(Pass):
    """Accepts, and closes at once."""

    async def connected(self, link):
        link.close()


class CloseOnRequest(Pass):
    """Closes as soon as it is asked anything."""

    async def request(self, link, data):
        link.close()


class Garbage(Pass):
    """Bytes that no such server sends, sometimes another protocol's."""

    OTHERS = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64 + b"\r\n", b"\r\n\r\n", b"*-7\r\n"]

    def __init__(self, seed=1):
        self.random = random.Random(seed)

    async def request(self, link, data):
        noise = b"\xff" + self.random.randbytes(self.random.randrange(1, 200)) + b"\r\n"
        await link.answer(self.random.choice([noise, noise, *self.OTHERS]))


class Truncate(Pass):
    """Half of the answer, and the end."""

    async def reply(self, link, data):
        await link.answer(data[: len(data) // 2])
        link.close()


class Trickle(Pass):
    """One byte at a time."""

    def __init__(self, seconds=0.05):
        self.seconds = seconds

    async def reply(self, link, data):
        for i in range(len(data)):
            await link.answer(data[i : i + 1])
            await asyncio.sleep(self.seconds)


class Announce(Pass):
    """A gigabyte is announced wherever a value may come, and nothing follows."""

    async def request(self, link, data):
        for name, key in link.commands(data):
            if link.relay.kind == "redis":
                await link.answer(b"$%d\r\n" % GIB)
            elif name in (b"get", b"gets"):
                await link.answer(b"VALUE %s 0 %d 1\r\n" % (key, GIB))
            else:
                await link.answer(b"VALUE x 0 %d 1\r\n" % GIB)


class Fixed(Pass):
    """One and the same answer to every command, or to those of the names in only."""

    def __init__(self, text, only=()):
        self.text = text
        self.only = only

    async def request(self, link, data):
        found = link.commands(data)
        if self.only and not any(name in self.only for name, _ in found):
            await link.ask(data)
            return
        for _ in found:
            await link.answer(self.text)


class OtherKey(Pass):
    """Asked for the key of one entry, reads another one; as_asked: under the key asked."""

    SMALL = 4096  # no entry is stored in so little

    def __init__(self, asked, read, as_asked):
        assert len(asked) == len(read), "lengths on the wire stay as they are"
        self.asked, self.read, self.as_asked = asked, read, as_asked

    async def request(self, link, data):
        if len(data) < self.SMALL:
            data = data.replace(self.asked, self.read)
        await link.ask(data)

    async def reply(self, link, data):
        if self.as_asked:
            line = re.escape(self.read) + rb"(?= \d+ \d+)"
            data = re.sub(line, lambda _: self.asked, data, count=1)
        await link.answer(data)


# The commands of a piece of the stream: (name, first argument), and how long they are.


HEAD = re.compile(rb"\*(\d+)\r\n")
SIZE = re.compile(rb"\$(\d+)\r\n")


def parse_redis(data):
    if not data.startswith(b"*"):
        line, end, _ = data.partition(b"\r\n")
        return ((line, b""), len(line) + 2) if end else None
    head = HEAD.match(data)
    if not head:
        return None
    at, words = head.end(), []
    for _ in range(int(head[1])):
        size = SIZE.match(data, at)
        if not size or len(data) < size.end() + int(size[1]) + 2:
            return None
        at = size.end() + int(size[1]) + 2
        words.append(data[size.end() : at - 2])
    words += [b"", b""]
    return (words[0].upper(), words[1]), at


def parse_memcached(data):
    line, end, _ = data.partition(b"\r\n")
    if not end:
        return None
    words = line.split() + [b"", b""]
    size = len(line) + 2
    if words[0] in (b"set", b"add", b"replace", b"cas", b"append"):
        size += int(words[4]) + 2
        if len(data) < size:
            return None
    return (words[0], words[1]), size


PARSERS = {"redis": parse_redis, "memcached": parse_memcached}


class Link:
    """One connection of the service, and the one to the server once it is needed."""

    def __init__(self, relay, reader, writer):
        self.relay, self.reader, self.writer = relay, reader, writer
        self.server = None
        self.pending = b""  # the begin of a command
        self.asked = False
        self.dead = False  # requests were lost: answers would be out of step

    async def run(self):
        await self.relay.mode.connected(self)
        while data := await self.reader.read(CHUNK):
            self.asked = True
            if not self.dead:
                await self.relay.mode.request(self, data)

    def commands(self, data):
        """The complete ones up to here."""
        self.pending += data
        found = []
        while self.pending and (parsed := PARSERS[self.relay.kind](self.pending)):
            found.append(parsed[0])
            self.pending = self.pending[parsed[1] :]
        return found

    async def ask(self, data):
        if not self.server:
            try:
                reader, self.server = await connect(self.relay.upstream)
            except OSError:
                self.close()
                return
            self.relay.begin(self, self.read_server(reader))
        self.server.write(data)
        await self.server.drain()

    async def read_server(self, reader):
        while data := await reader.read(CHUNK):
            if not self.dead:
                await self.relay.mode.reply(self, data)

    async def answer(self, data):
        if self.asked:
            self.asked = False
            self.relay.round_trips += 1
        self.writer.write(data)
        await self.writer.drain()

    def close(self):
        """What was answered still arrives; what was asked need not."""
        self.writer.close()
        if self.server:
            self.server.transport.abort()


def connect(address):
    if isinstance(address, str):
        return asyncio.open_unix_connection(address, limit=CHUNK)
    return asyncio.open_connection(*address, limit=CHUNK)


class Relay:
    """upstream: a server of servers.py. Use as a context manager."""

    def __init__(self, upstream, tcp=False):
        self.name = self.kind = upstream.name
        self.upstream = upstream.address if self.kind == "memcached" else upstream.socket
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sc-"))
        self.socket = str(self.dir / "r.sock")
        self.tcp = tcp
        self.port = None
        self.mode = Pass()
        self.connections = self.round_trips = 0
        self.links = set()
        self.tasks = set()
        self.listener = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.call(self.open())
        return self

    def __exit__(self, *_):
        self.call(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def location(self):
        if self.kind == "redis":
            return f"redis+unix://{self.socket}?db=0"
        return f"127.0.0.1:{self.port}" if self.tcp else f"unix:{self.socket}"

    # What tests do with it.

    def set(self, mode):
        """From the next bytes on."""
        self.call(self.change(mode))

    def cut(self):
        """Closes every connection; new ones are welcome."""
        self.call(self.close_links())

    def refuse(self, remove=False):
        """Nobody listens any more. remove: the socket's name is gone, too."""
        self.call(self.shut())
        if remove:
            os.unlink(self.socket)

    def listen(self):
        self.call(self.open())

    # In the loop's thread.

    async def change(self, mode):
        self.mode = mode

    async def open(self):
        if self.listener:
            return
        if self.tcp:
            family, address = socket.AF_INET, ("127.0.0.1", self.port or 0)
        else:
            family, address = socket.AF_UNIX, self.socket
            pathlib.Path(self.socket).unlink(missing_ok=True)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        start = asyncio.start_server if self.tcp else asyncio.start_unix_server
        self.listener = await start(self.accept, sock=sock, limit=CHUNK)
        self.port = sock.getsockname()[1] if self.tcp else None

    async def shut(self):
        listener, self.listener = self.listener, None
        if listener:
            listener.close()
            await listener.wait_closed()
        await self.close_links()

    async def end(self):
        await self.shut()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self, reader, writer):
        self.connections += 1
        link = Link(self, reader, writer)
        self.links.add(link)
        self.begin(link, link.run())

    def begin(self, link, work):
        """The loop itself does not keep what it runs."""
        task = asyncio.ensure_future(self.guard(link, work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def guard(self, link, work):
        """Either side's end is the end of both."""
        try:
            await work
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            link.close()
            self.links.discard(link)

    async def close_links(self):
        for link in list(self.links):
            link.close()
