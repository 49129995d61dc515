# SPDX-License-Identifier: MIT
"""Peers that stop, that do not read, and that trickle, four to each worker: the others have
their workers back at once, and nothing dies of it.
"""

import contextlib
import select
import threading
import time

import numpy
import pytest

import abuse
import fcgi
import service
import tiff
from asking import Asking, p99

WORKERS = 4
RUDE = 4 * WORKERS
RECOVERED_S = 3.0  # the bar is 2, which is met where nothing else runs
SETTLED_S = 3.0  # until the slowest of a hundred takes no longer than twice what it did
TRICKLE_S, ENDED_S = 0.5, 10.0
PAD_S = 0.001  # so 264 kB/s for each
NOISE_S = 0.05  # what a busy machine adds to the slowest of a hundred
SIDE = 850  # of a patch of noise: 2 MB
PATCH = "/api/v1/images/images/{}/get_patch/?x=0&y=0&level=0&width={}&height={}"
TILE = "/images/image/{}/1/1/tile_files/11/{}_{}.jpeg"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    pixels = numpy.random.default_rng(1).integers(0, 256, (1100, 1700, 3), numpy.uint8)
    file = tiff.write_slide(tmp_path_factory.mktemp("slow") / "s.tiff", [pixels])
    # Nothing is compressed: how long that takes is no part of what is measured.
    config = {"workers": WORKERS, "log": {"level": "warning"},
              "deepzoom": {"png_compression": 0}}
    with service.Service(config, files=[file]) as running:
        image = running.image_id("s.tiff")
        running.patch = PATCH.format(image, SIDE, SIDE)
        assert len(running.fcgi.get(running.patch).body) > 2_000_000
        running.targets = [TILE.format(image, c, r) for c in range(6) for r in range(2)]
        running.right = {t: running.fcgi.get(t).body for t in running.targets}
        yield running


class Others:
    """They ask the whole time; after the block, how they fared."""

    def __init__(self, live):
        self.live = live
        self.load = Asking(live.fcgi.get, live.right, clients=WORKERS, pause_s=0.002)

    def __enter__(self):
        self.pids = sorted(self.live.worker_pids())
        self.load.__enter__()
        self.load.wait_good(400)
        self.usual_s = p99(self.load.all())
        return self

    def __exit__(self, kind, *_):
        self.load.end()
        if kind is None:
            assert not self.load.faults(), self.load.faults()[:5]
            assert sorted(self.live.worker_pids()) == self.pids, "a worker died"

    def recovered_s(self, since):
        """From then on, when the last one had an answer that came late."""
        late = [a.at for a in self.load.all(since) if a.seconds > 2 * self.usual_s + NOISE_S]
        return max(late, default=since) - since

    def wait_until(self, moment):
        service.wait_for(lambda: self.load.all(moment), "an answer later on", 30)

    def must_recover(self, since, what):
        settled = since + SETTLED_S * service.SLOW
        self.wait_until(settled + 0.5)
        took, after_s = self.recovered_s(since), p99(self.load.all(settled))
        print(
            f"{RUDE} {what}: others had their workers back in {took:.2f} s; the slowest of a "
            f"hundred: {1000 * self.usual_s:.1f} ms before, {1000 * after_s:.1f} ms after"
        )
        assert took <= RECOVERED_S * service.SLOW
        assert after_s <= 2 * self.usual_s + NOISE_S


@contextlib.contextmanager
def connected(live, data):
    """Connections that have sent this."""
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(RUDE):
            socks.append(stack.enter_context(fcgi.connect(live.socket, 30 * service.SLOW)))
            socks[-1].sendall(data)
        yield socks


def test_who_stops_after_a_byte(live):
    with Others(live) as others:
        with connected(live, abuse.BEGUN[:1]) as socks:
            others.must_recover(time.monotonic(), "who send a byte and stop")
            assert all(sock.recv(1) == b"" for sock in socks), "somebody is still there"


def is_cut(sock):
    try:
        fcgi.read_reply(sock)
    except fcgi.Gone:
        return True
    return False


def test_who_never_reads(live):
    """A part of what they asked for is in their sockets: the rest was not waited for. Fewer
    than there are workers may be left: nobody waits because of them.
    """
    with Others(live) as others:
        with connected(live, abuse.Table(live.patch).good) as socks:
            others.must_recover(time.monotonic(), "who do not read 2 MB")
            assert sum(is_cut(sock) for sock in socks) > RUDE - WORKERS


class Tricklers:
    """Each sends, or takes, a byte now and then; .ended has when each one was sent away."""

    def __init__(self, socks, step):
        self.left, self.step = list(socks), step
        self.ended = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.begun = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        number = 0
        while self.left and not self.over.wait(TRICKLE_S):
            self.left = [sock for sock in self.left if self.goes_on(sock, number)]
            number += 1

    def goes_on(self, sock, number):
        try:
            if self.step(sock, number):
                return True
        except OSError:
            pass
        self.ended.append(time.monotonic() - self.begun)
        return False


def sends(request):
    def step(sock, number):
        if select.select([sock], [], [], 0)[0]:
            return sock.recv(1) != b""
        return sock.send(request[number : number + 1]) == 1

    return step


def takes(sock, _):
    """The end shows behind what is in the socket: whether the other side is closed."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return not poll.poll(0) and len(sock.recv(1)) == 1


@pytest.mark.parametrize("way", ["in", "out"])
def test_who_trickles(live, way):
    begin, step = {
        "in": (abuse.BEGUN[:1], sends(abuse.Table(live.targets[0]).good[1:])),
        "out": (abuse.Table(live.patch).good, takes),
    }[way]
    with Others(live) as others, connected(live, begin) as socks:
        with Tricklers(socks, step) as tricklers:
            service.wait_for(lambda: not tricklers.left, "they are ended", 2 * ENDED_S)
        recovered = others.recovered_s(tricklers.begun)
        print(
            f"{RUDE} who trickle {way}: ended after {min(tricklers.ended):.1f} to "
            f"{max(tricklers.ended):.1f} s; others had their workers back in {recovered:.2f} s"
        )
        assert max(tricklers.ended) <= ENDED_S * service.SLOW
        assert recovered <= ENDED_S * service.SLOW
    assert live.counter("slow_peers") >= RUDE


def pad(socks):
    """Records of a byte, all the rest of them padding; until each socket is closed."""
    left, padded = list(socks), fcgi.record(fcgi.PARAMS, b"A", padding=255)
    end = time.monotonic() + 2 * ENDED_S
    while left and time.monotonic() < end:
        for sock in list(left):
            try:
                sock.send(padded)
            except OSError:
                left.remove(sock)
        time.sleep(PAD_S)


def test_padding_is_no_progress(live):
    """One to a worker, each sends far more than the rate, and next to nothing of a request."""
    with Others(live) as others, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(fcgi.connect(live.socket, 30)) for _ in range(WORKERS)]
        for sock in socks:
            sock.sendall(abuse.BEGUN)
        begun = time.monotonic()
        pad(socks)
        took = time.monotonic() - begun
        print(f"{WORKERS} who pad: ended after {took:.2f} s")
        assert took <= RECOVERED_S * service.SLOW
        others.wait_until(time.monotonic())


PAUSE_S = 3.0  # far over a slice, within the patience


def test_a_pause_while_nobody_waits(live):
    """In the middle of a request, and of taking the answer: it is lawful."""
    good = abuse.Table(live.patch).good
    with fcgi.connect(live.socket, 30 * service.SLOW) as sock:
        sock.sendall(good[:40])
        time.sleep(PAUSE_S)
        sock.sendall(good[40:])
        service.wait_for(lambda: select.select([sock], [], [], 0)[0], "an answer", 30)
        time.sleep(PAUSE_S)
        assert len(fcgi.read_reply(sock)) > 2_000_000


def test_one_who_trickles_while_nobody_waits(live):
    """Nobody waits for it, and it is ended all the same."""
    with fcgi.connect(live.socket, 30 * service.SLOW) as sock:
        with Tricklers([sock], sends(abuse.Table(live.targets[0]).good)) as tricklers:
            service.wait_for(lambda: not tricklers.left, "it is ended", 2 * ENDED_S)
    print(f"one who trickles in: ended after {tricklers.ended[0]:.1f} s")
    assert tricklers.ended[0] <= ENDED_S * service.SLOW
    assert "the web server sent too slowly" in live.log_tail()
