# SPDX-License-Identifier: MIT
"""Real redis-server and memcached, each in a folder of its own, and their protocols.

A server listens on a private unix socket, or with tcp=True on a free loopback port, keeps
that address over restarts, and is ended by its own process id. The clients here are a few
lines each: what tests ask a server must not go through the libraries under test.
"""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import tempfile

import service


class ServerError(Exception):
    """What the server answered was an error; its text."""


class Lines:
    """A connection, with reads of lines and of a number of bytes."""

    def __init__(self, address, timeout=10):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout * service.SLOW)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"closed after {line!r}")
        return line[:-2]

    def take(self, n):
        data = self.file.read(n)
        if len(data) != n:
            raise ConnectionError(f"closed {n - len(data)} bytes early")
        return data


def to_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


class RedisClient(Lines):
    """RESP 2. command() returns bytes, int, list or None; errors are raised."""

    def send(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in map(to_bytes, words):
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.sock.sendall(out)

    def command(self, *words):
        self.send(*words)
        return self.reply()

    def reply(self):
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise ServerError(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.take(int(rest) + 2)[:-2]
        assert kind == b"*", line
        return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]

    def info(self, section="all"):
        lines = self.command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def reads(self):
        """How often the server read from any client; for this question, too."""
        return int(self.info("stats")["total_reads_processed"])


class MemcachedClient(Lines):
    """The text protocol."""

    def command(self, line):
        """One line, one line back."""
        self.sock.sendall(to_bytes(line) + b"\r\n")
        return self.line()

    def set(self, key, value):
        """STORED, or what else the server says."""
        return self.command(b"set %s 0 0 %d\r\n%s" % (to_bytes(key), len(value), value))

    def stats(self):
        self.sock.sendall(b"stats\r\n")
        out = {}
        while (line := self.line()) != b"END":
            _, name, value = line.decode().split(" ", 2)
            out[name] = value
        return out


class Server:
    """What both have in common. Use as a context manager."""

    def __init__(self, tcp=False, options=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sc-"))
        self.socket = str(self.dir / "c.sock")
        self.port = service.free_port() if tcp else None
        self.options = list(options)
        self.program = None
        self.starts = 0

    @property
    def address(self):
        return ("127.0.0.1", self.port) if self.port else self.socket

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_):
        self.destroy()

    def destroy(self):
        if self.program:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *more):
        """more: options of this start only."""
        assert self.program is None
        argv = self.argv() + self.options + list(more)
        self.program = service.Program(argv, self.dir / "log")
        self.starts += 1
        service.wait_for(self.answers, f"{argv[0]} answers", 20)

    def answers(self):
        code = self.program.exit_code()
        assert code is None, f"ended with {code}:\n{self.program.output()}"
        try:
            return self.ping()
        except (OSError, ServerError):
            return False

    def kill(self):
        program, self.program = self.program, None
        program.destroy()

    def restart(self, *more):
        self.kill()
        self.start(*more)

    def restart_empty(self, *more):
        self.kill()
        self.forget()
        self.start(*more)

    def pause(self):
        os.kill(self.program.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.program.pid, signal.SIGCONT)

    def forget(self):
        """Whatever is kept on disk while the server is down."""


class Redis(Server):
    name = "redis"

    def argv(self):
        return [
            *("redis-server", "--port", str(self.port or 0), "--bind", "127.0.0.1"),
            *("--unixsocket", self.socket, "--unixsocketperm", "700", "--save", ""),
            *("--dir", str(self.dir), "--daemonize", "no", "--loglevel", "warning"),
            *("--enable-protected-configs", "yes", "--busy-reply-threshold", "5"),
        ]

    def location(self, user="", db=0):
        """user: "name:password@"."""
        if self.port:
            return f"redis://{user}127.0.0.1:{self.port}/{db}"
        return f"redis+unix://{user}{self.socket}?db={db}"

    def connect(self):
        return RedisClient(self.socket)

    def ping(self):
        with self.connect() as client:
            try:
                return client.command("PING") == b"PONG"
            except ServerError as e:
                if str(e).startswith("NOAUTH"):
                    return True
                raise

    def command(self, *words):
        with self.connect() as client:
            return client.command(*words)

    def config(self, **values):
        for name, value in values.items():
            self.command("CONFIG", "SET", name.replace("_", "-"), value)

    def info(self, section="all"):
        with self.connect() as client:
            return client.info(section)

    def keys(self):
        return self.command("KEYS", "*")

    def flush(self):
        self.command("FLUSHALL")

    # Snapshots.

    @property
    def dump(self):
        return self.dir / "dump.rdb"

    def forget(self):
        self.dump.unlink(missing_ok=True)

    def save(self):
        """What is stored now, as a file that restart_from takes."""
        self.command("SAVE")
        copy = self.dir / f"saved-{self.starts}.rdb"
        shutil.copyfile(self.dump, copy)
        return copy

    def start_from(self, saved):
        shutil.copyfile(saved, self.dump)
        self.start()


class Memcached(Server):
    name = "memcached"

    def argv(self):
        user = pwd.getpwuid(os.geteuid()).pw_name
        common = ["memcached", "-u", user, "-U", "0"]
        if self.port:
            return [*common, "-l", "127.0.0.1", "-p", str(self.port)]
        return [*common, "-s", self.socket, "-a", "700"]

    def location(self):
        return f"127.0.0.1:{self.port}" if self.port else f"unix:{self.socket}"

    def connect(self):
        return MemcachedClient(self.address)

    def ping(self):
        with self.connect() as client:
            return bool(client.command("version"))

    def counters(self):
        with self.connect() as client:
            return client.stats()

    def flush(self):
        with self.connect() as client:
            assert client.command("flush_all") == b"OK"


KINDS = {"redis": Redis, "memcached": Memcached}


def place(where):
    """Where a cache or the versions are kept, as configuration: a backend's name, or a
    server, or a relay to one."""
    if isinstance(where, str):
        return {"backend": where}
    return {"backend": where.name, "location": where.location()}


def kept(tiles="embedded", default=None, versions="embedded"):
    """The configuration of a service: which is kept where. default: as tiles."""
    default = tiles if default is None else default
    caches = {"tiles_cache": place(tiles), "default": place(default)}
    return {"caches": caches, "versions": place(versions)}
