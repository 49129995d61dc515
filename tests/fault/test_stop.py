# SPDX-License-Identifier: MIT
"""SIGTERM under load: who was connected gets an answer, and all of it; then nothing is left."""

import threading
import time

import numpy
import pytest

import abuse
import fcgi
import service
import tiff

WORKERS = 4
CLIENTS = 24
ENDED_S = 10.0
ROUNDS = 3
TILE = "/images/image/{}/1/1/tile_files/11/{}_{}.jpeg"
PATCH = "/api/v1/images/images/{}/get_patch/?x=0&y=0&level=0&width=850&height=850"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pixels = numpy.random.default_rng(1).integers(0, 256, (1100, 1700, 3), numpy.uint8)
    return tiff.write_slide(tmp_path_factory.mktemp("stop") / "s.tiff", [pixels])


class Client(threading.Thread):
    """Asks until nobody listens any more; .lost has what it was connected for in vain."""

    def __init__(self, live, right, number):
        super().__init__()
        self.live, self.right, self.targets = live, right, list(right)
        self.number, self.answers, self.lost, self.last_at = number, 0, [], 0.0

    def run(self):
        while True:
            target = self.targets[self.number % len(self.targets)]
            self.number += 1
            try:
                sock = fcgi.connect(self.live.socket, 30 * service.SLOW)
            except fcgi.Gone:
                return
            with sock:
                self.ask(sock, target)

    def ask(self, sock, target):
        try:
            sock.sendall(abuse.Table(target).good)
            reply = fcgi.parse_cgi(fcgi.read_reply(sock))
        except (fcgi.Gone, OSError) as e:
            self.lost.append((target, repr(e)))
            return
        self.answers += 1
        self.last_at = time.monotonic()
        if reply.status != 200 or reply.body != self.right[target]:
            self.lost.append((target, reply.status, len(reply.body)))


def test_who_was_connected_is_answered(file):
    """The service's stop() checks the exit code, the socket's name and that nobody is left."""
    with service.Service({"workers": WORKERS, "log": {"level": "warning"}}, files=[file]) as live:
        image = live.image_id("s.tiff")
        targets = [TILE.format(image, c, r) for c in range(6) for r in range(3)]
        targets += [PATCH.format(image)] * 2
        right = {t: live.fcgi.get(t).body for t in targets}
        for _ in range(ROUNDS):
            clients = [Client(live, right, n) for n in range(CLIENTS)]
            for client in clients:
                client.start()
            service.wait_for(lambda c=clients: all(x.answers > 2 for x in c), "answers", 30)
            begun = time.monotonic()
            live.stop()
            took = time.monotonic() - begun
            for client in clients:
                client.join()
            late = sum(client.last_at > begun for client in clients)
            print(f"stopped in {took:.2f} s; {late} of {CLIENTS} had an answer after the signal")
            lost = [lost for client in clients for lost in client.lost]
            assert not lost, lost[:5]
            assert took <= ENDED_S * service.SLOW
            live.start()
