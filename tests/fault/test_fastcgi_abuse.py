# SPDX-License-Identifier: MIT
"""FastCGI abuse by an allowed peer: each case comes to what it should, no worker dies of it
or is held by it, and others, who ask for tiles the whole time, notice nothing.
"""

import concurrent.futures
import os
import random
import socket
import subprocess
import sys
import time

import pytest

import abuse
import fcgi
import service
import tiff
from asking import Asking

LONG = service.LONG
WORKERS = 4
HELD_S = 2.0  # a worker, by one who is silent
CASES_MIN = 200
ROUNDS = 200 if LONG else 5  # through the table
RANDOM_CONNECTIONS = 1_000_000 if LONG else 5000
TARGET = "/images/image/{}/1/1/tile_files/{}/{}_{}.jpeg"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    file = tiff.write_noise(tmp_path_factory.mktemp("abuse") / "s.tiff", 1, 1700, 1100)
    quiet = {"workers": WORKERS, "log": {"level": "warning"}}
    with service.Service(quiet, files=[file]) as running:
        running.image = running.image_id("s.tiff")
        running.targets = [TARGET.format(running.image, 11, c, r) for c in range(6) for r in (0, 1)]
        running.right = {t: running.fcgi.get(t).body for t in running.targets}
        yield running


class Undisturbed:
    """Others ask while the block runs; at its end the workers are the same as before."""

    def __init__(self, live):
        self.live = live
        self.load = Asking(live.fcgi.get, live.right, clients=2, pause_s=0.005)

    def __enter__(self):
        self.pids = sorted(self.live.worker_pids())
        assert len(self.pids) == WORKERS
        self.load.__enter__()
        self.load.wait_good(4)
        return self.load

    def __exit__(self, kind, *_):
        self.load.end()
        if kind is None:
            assert not self.load.faults(), self.load.faults()[:5]
            assert sorted(self.live.worker_pids()) == self.pids, "a worker died"
            slowest = max(a.seconds for a in self.load.all())
            print(f"others: {len(self.load.all())} answers, the slowest {slowest:.3f} s")


def send(sock, case):
    try:
        for piece in case.pieces:
            sock.sendall(piece)
        if not case.stays:
            sock.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before its end; the answer, if there is one, can be read


def answer(sock):
    """Status and body, or NONE."""
    try:
        reply = fcgi.parse_cgi(fcgi.read_reply(sock))
    except (fcgi.Gone, ConnectionResetError):
        return abuse.NONE, b""
    return reply.status, reply.body


def run(live, case):
    """What went wrong with the case, or None."""
    begun = time.monotonic()
    with fcgi.connect(live.socket, 20 * service.SLOW) as sock:
        send(sock, case)
        status, body = answer(sock)
        if case.status == abuse.NONE or not case.stays:
            drain(sock)
    took = time.monotonic() - begun
    if status != case.status:
        return f"{case.name}: {status} instead of {case.status}: {body[:200]}"
    if status == 200 and body != live.right[live.targets[0]]:
        return f"{case.name}: wrong bytes"
    if took > HELD_S * service.SLOW:
        return f"{case.name}: {took:.2f} s"
    return None


def drain(sock):
    """Until the service closed the connection."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass


def test_each_case_comes_to_what_it_should(live):
    cases = abuse.table(live.targets[0])
    assert len(cases) >= CASES_MIN
    begun = time.monotonic()
    with Undisturbed(live):
        wrong = [w for case in cases * ROUNDS if (w := run(live, case))]
    assert not wrong, "\n".join(wrong)
    print(f"{ROUNDS} x {len(cases)} cases in {time.monotonic() - begun:.1f} s")


def test_who_is_silent_holds_nobody_for_long(live):
    """One after the other would be held for as long; all at once, others come in between."""
    cases = abuse.silences(live.targets[0])
    with Undisturbed(live) as load, concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        wrong = [w for w in pool.map(lambda case: begin_and_wait(live, case), cases) if w]
        load.wait_good(10)
        assert max(a.seconds for a in load.all()) < HELD_S * service.SLOW
    assert not wrong, "\n".join(wrong)
    assert live.counter("slow_peers") >= len(cases)


def begin_and_wait(live, case):
    """All of them wait for a worker, too: only what comes of it is looked at."""
    with fcgi.connect(live.socket, 20 * service.SLOW) as sock:
        send(sock, case)
        status, body = answer(sock)
    return None if status == case.status else f"{case.name}: {status} {body[:100]}"


def random_stream(pick, good):
    """Records, more often such as would come next, with now and then a byte changed."""
    out = bytearray(abuse.BEGUN if pick.random() < 0.9 else b"")
    for _ in range(pick.randrange(1, 12)):
        kind = pick.choice((4, 4, 4, 5, 5, pick.randrange(13)))
        content = pick.choice((b"", good[24 : 24 + pick.randrange(100)], pick.randbytes(40)))
        number = 1 if pick.random() < 0.95 else pick.randrange(4)
        out += fcgi.record(kind, content, number, padding=pick.choice((0, 0, 3)))
    if pick.random() < 0.5:
        out[pick.randrange(len(out))] = pick.randrange(256)
    return bytes(out)


def test_random_records(live):
    """The parser's own millions are in tests/unit/test_intake.c; these come to a worker."""
    pick = random.Random(20)
    good = abuse.Table(live.targets[0]).good
    with Undisturbed(live):
        for _ in range(RANDOM_CONNECTIONS):
            case = abuse.Case("random", [random_stream(pick, good)], None, False)
            with fcgi.connect(live.socket, 20 * service.SLOW) as sock:
                send(sock, case)
                assert answer(sock)[0] in (abuse.NONE, 200, 400, 404, 413, 414, 431)


# ----- other users -------------------------------------------------------------------------

STRANGER = """
import os, socket, sys
os.setgid(65534), os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(20)
    s.connect(sys.argv[1])
    try:
        s.sendall(sys.stdin.buffer.read())
        print(len(s.recv(1000)))
    except OSError as e:
        print("refused", e.errno)
"""


def another_user_is_closed_before_a_byte_is_read(live):
    """The socket's mode is opened: what is tested is the wall behind it."""
    os.chmod(live.dir, 0o755)
    os.chmod(live.socket, 0o777)
    before = live.counter("peer_refused"), live.counter("requests")
    good = abuse.Table(live.targets[0]).good
    argv = [sys.executable, "-c", STRANGER, live.socket]
    done = subprocess.run(argv, input=good, capture_output=True, timeout=60, check=True)
    assert done.stdout in (b"0\n", b"refused 104\n", b"refused 32\n"), done
    assert live.counter("peer_refused") == before[0] + 1
    assert live.counter("requests") == before[1]
    assert "is not in peer_users" in live.log_tail()


if os.geteuid() == 0:  # nobody else can be another user
    test_another_user_is_closed_before_a_byte_is_read = another_user_is_closed_before_a_byte_is_read
