# SPDX-License-Identifier: MIT
"""What web servers do with a pool: many clients, slow ones, warming that takes its time, workers
that die, and the pools that lighttpd and Apache start themselves."""

import asyncio
import json
import os
import resource
import signal
import socket
import threading
import time

import numpy
import pytest

import fcgi
import rawhttp
import service
import tiff
from management import ANNA, USERS
from service import LONG, SLOW, wait_for
from warming import paused

SERVERS = ["lighttpd", "lighttpd-spawn", "apache", "nginx"]
API = "/api/v1/images/images"
SLIDE = "noise.tiff"
SIDE = 1600
PATCH = "get_patch/?x=0&y=0&level=0&width=1536&height=1536"
CLIENTS = 1000
ROUNDS = 40 if LONG else 2  # requests of each client, on one connection
PATIENCE_S = 45 if LONG else 2  # of a PATCH that warms


def pixels():
    """Noise that no encoder makes smaller."""
    return numpy.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), numpy.uint8)


def start(tmp, server, config=None):
    (tmp / "users").write_text(USERS)
    base = {"access": {"htpasswd_file": str(tmp / "users")}, "slides": {"scan": False}}
    file = tiff.write_slide(tmp / SLIDE, [pixels()])
    live = service.Service(service.merge(base, config), [file], web=server)
    live.ctl("images", "scan")
    return live


@pytest.fixture(params=SERVERS)
def server(request):
    return request.param


# ----- many clients ----------------------------------------------------------------------------


@pytest.fixture
def many_files():
    """As many descriptors as the clients are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 500
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"ulimit -Hn is {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def read_reply(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].split("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


class Kept:
    """A connection that is kept. A server may end one that is idle, and a client then asks
    on another; what it does to a connection's first request is an answer, or a failure."""

    def __init__(self, port):
        self.port, self.answered = port, 0

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.answered = 0

    async def ask(self, request):
        try:
            self.writer.write(request)
            reply = await read_reply(self.reader)
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            if not self.answered or getattr(e, "partial", b""):
                raise
            self.writer.close()
            await self.connect()
            return await self.ask(request)
        self.answered += 1
        return reply


async def one_client(port, request, go, rounds):
    """Waits until all are connected; then asks again and again."""
    kept = Kept(port)
    await kept.connect()
    await go.wait()
    found = [await kept.ask(request) for _ in range(rounds)]
    kept.writer.close()
    return found


class Arrivals:
    """An event that comes when so many wait for it."""

    def __init__(self, wanted):
        self.wanted, self.event = wanted, asyncio.Event()

    async def wait(self):
        self.wanted -= 1
        if self.wanted == 0:
            self.event.set()
        await self.event.wait()


async def all_clients(port, targets):
    go = Arrivals(CLIENTS)
    raw = [f"GET {t} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for t in targets]
    clients = (one_client(port, raw[i % len(raw)], go, ROUNDS) for i in range(CLIENTS))
    return await asyncio.wait_for(asyncio.gather(*clients), 120 * SLOW)


def test_a_thousand_clients(tmp_path, server, many_files):
    """At a time, each on a connection that it keeps: all of them are answered, with the right
    bytes."""
    with start(tmp_path, server) as live:
        image = live.image_id(SLIDE)
        tiles = [f"/images/image/{image}/1/1/tile_files/11/{i}_0.jpeg" for i in range(4)]
        want = [(200, live.web.http.get(t).body) for t in tiles]
        found = asyncio.run(all_clients(live.web.http.port, tiles))
        for i, replies in enumerate(found):
            assert replies == [want[i % len(tiles)]] * ROUNDS, [r[0] for r in replies]
        assert live.counter("worker_deaths") == 0


# ----- slow clients ------------------------------------------------------------------------------


def slow_reader(port, target):
    """A connection that asked and has a small window."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30 * SLOW)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return sock


def test_slow_clients_hold_no_worker(tmp_path, server):
    """One worker, three clients who read a byte now and then of 7 MB each: others are
    answered meanwhile, and so are they, to the last byte."""
    with start(tmp_path, server, {"workers": 1}) as live:
        patch = f"{API}/{live.image_id(SLIDE)}/{PATCH}"
        whole = live.web.http.get(patch)
        assert whole.status == 200 and len(whole.body) > 5_000_000
        slow = [slow_reader(live.web.http.port, patch) for _ in range(3)]
        try:
            assert [sock.recv(1) for sock in slow] == [b"H"] * 3
            began = time.monotonic()
            for _ in range(5):
                assert live.web.http.get("/healthz").status == 200
                assert [len(sock.recv(1)) for sock in slow] == [1] * 3
            took = time.monotonic() - began
            assert took < 3 * SLOW, f"{took:.1f} s: a worker was held"
            with slow[0].makefile("rb") as rest:
                assert rest.read().endswith(whole.body)
        finally:
            for sock in slow:
                sock.close()
        assert live.counter("worker_deaths") == 0


# ----- warming that takes its time ---------------------------------------------------------------


def test_a_long_patch(tmp_path, server):
    """A warmer that does not get on: the web server waits for the answer as long as we do."""
    config = {"warm": {"sync_limit_s": PATIENCE_S}, "request_timeout_s": 55}
    with start(tmp_path, server, config) as live:
        target = f"{API}/{live.image_id(SLIDE)}/update_image_cache/"
        client = rawhttp.Client(live.web.http.port, PATIENCE_S + 30 * SLOW)
        with paused(live):
            began = time.monotonic()
            reply = client.request("PATCH", target, ANNA)
            took = time.monotonic() - began
        assert reply.status == 200 and "job" in json.loads(reply.body), reply
        assert PATIENCE_S - 1 <= took < PATIENCE_S + 10 * SLOW


# ----- workers that die ----------------------------------------------------------------------------


class Asking(threading.Thread):
    """One request beside the test's own thread."""

    def __init__(self, client, target):
        super().__init__()
        self.client, self.target, self.reply = client, target, None
        self.start()

    def run(self):
        try:
            self.reply = self.client.get(self.target)
        except fcgi.Gone as e:
            self.reply = e

    def join(self, timeout=None):
        super().join(timeout)
        return self.reply


def test_a_worker_that_dies(tmp_path, server):
    """In the middle of a request, the only one: that request fails, the next one is answered
    at once."""
    with start(tmp_path, server, {"workers": 1}) as live:
        patch = f"{API}/{live.image_id(SLIDE)}/{PATCH}"
        (worker,) = live.worker_pids()
        spent = service.cpu_ticks(worker)
        asking = Asking(live.web.http, patch)
        wait_for(lambda: service.cpu_ticks(worker) > spent + 8, "the worker renders", 10, 0.001)
        os.kill(worker, signal.SIGKILL)
        reply = asking.join(20 * SLOW)
        assert isinstance(reply, fcgi.Gone) or reply.status in (500, 502, 503), reply
        began = time.monotonic()
        assert live.web.http.get("/healthz").status == 200
        assert time.monotonic() - began < 1.5 * SLOW
        assert live.web.http.get(patch).status == 200


# ----- pools that web servers start ------------------------------------------------------------------


def test_lighttpd_starts_it_again(tmp_path):
    """When the master ended by itself: another one is there. What waited in the socket of the
    old one when it was closed may fail, which is lighttpd's doing."""
    with start(tmp_path, "lighttpd-spawn") as live:
        first = live.program.pid
        os.kill(first, signal.SIGTERM)

        def again():
            status = live.web.http.get("/healthz").status
            assert status in (200, 500, 503), status
            return status == 200 and live.web.masters() not in ([], [first])

        wait_for(again, "another master", 15)
        live.program = live.web.service()
        assert service.parent_pid(live.program.pid) == live.web.program.pid
        wait_for(lambda: len(live.worker_pids()) == live.config["workers"], "all workers")


def test_a_death_of_a_worker_is_not_lighttpds_business(tmp_path):
    with start(tmp_path, "lighttpd-spawn") as live:
        master = live.program.pid
        for _ in range(3):
            os.kill(live.worker_pids()[0], signal.SIGKILL)
            assert live.web.http.get("/healthz").status == 200
        wait_for(lambda: len(live.worker_pids()) == live.config["workers"], "all workers")
        assert live.web.service().pid == master and live.program.exit_code() is None
        assert live.web.log.read_text(errors="replace").count("listening on descriptor 0") == 1


def test_apache_starts_one_with_a_worker(tmp_path):
    """mod_fcgid: routes, passwords and bodies; one worker, and others wait their turn."""
    live = start(tmp_path, "apache-fcgid")
    (live.dir / "users").write_text(USERS)
    live.config["access"]["htpasswd_file"] = str(live.dir / "users")
    live.config_file.write_text(json.dumps(live.config))
    with live:
        assert len(live.worker_pids()) == 1
        image = live.image_id(SLIDE)
        tile = f"/images/image/{image}/1/1/tile_files/11/0_0.jpeg"
        first = live.web.http.get(tile)
        assert first.status == 200 and first.x_cache == "MISS"
        again = live.web.http.get(tile, {"If-None-Match": first.headers["etag"]})
        assert again.status == 304
        assert live.web.http.head(tile).headers["content-length"] == str(len(first.body))
        asked = [Asking(live.web.http, tile) for _ in range(4)]
        assert [a.join(30 * SLOW).body for a in asked] == [first.body] * 4
        target = f"{API}/{image}/update_image_cache/"
        assert live.web.http.request("PATCH", target, {}, b"{}").status == 401
        assert live.web.http.request("PATCH", target, ANNA).status == 200
        for bad, status in ((f"/{'a' * 9000}", 414), ("/a%2fb", 400), ("/a%0d%0ab", 400),
                            ("/nowhere", 404), (f"{API}/{image}/get_patch/?x=-1", 400)):
            assert live.web.http.get(bad).status == status, bad
        os.kill(live.worker_pids()[0], signal.SIGKILL)
        assert live.web.http.get(tile).status == 200
        assert live.web.http.get("/viewer/1/").status == 200
