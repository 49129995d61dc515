# SPDX-License-Identifier: MIT
"""Every fault shows: in its counter of "slidecachectl stats", and in a line of the log that says
what it was."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time

import numpy
import pytest

import abuse
import fcgi
import service
import tiff

NAME = "s.tiff"
WORKERS = 2
SIDE = 1000  # of a patch that takes a while to render
PATCH = "/api/v1/images/images/{}/get_patch/?x={}&y=0&level=0&width={}&height={}"
NOWHERE = "redis+unix://{}/nobody.sock"
CONFIG = {
    "workers": WORKERS,
    "request_timeout_s": 8,  # more than the patience with a silent peer
    "max_waiting": 4,
    "log": {"level": "debug"},
    "caches": {"default": {"backend": "null"}, "tiles_cache": {"backend": "redis"}},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pixels = numpy.random.default_rng(1).integers(0, 256, (1100, 1700, 3), numpy.uint8)
    return tiff.write_slide(tmp_path_factory.mktemp("seen") / NAME, [pixels])


@pytest.fixture(scope="module")
def live(file):
    running = service.Service(CONFIG, files=[file])
    running.config["caches"]["tiles_cache"]["location"] = NOWHERE.format(running.dir)
    running.config_file.write_text(json.dumps(running.config))
    with running:
        running.image = running.image_id(NAME)
        yield running


def tile_target(live):
    return f"/images/image/{live.image}/1/1/tile_files/11/1_1.jpeg"


def send(live, data, then=lambda sock: sock.recv(65536)):
    with fcgi.connect(live.socket, 30 * service.SLOW) as sock:
        sock.sendall(data)
        return then(sock)


def signal_workers(live, number):
    for pid in live.worker_pids():
        os.kill(pid, number)


# ----- faults ------------------------------------------------------------------------------


def worker_killed(live):
    os.kill(live.worker_pids()[0], signal.SIGKILL)


def request_hangs(live):
    """Whoever has it stands still in the middle of it."""
    target = PATCH.format(live.image, int(time.monotonic() * 1000) % 600, SIDE, SIDE)

    def stop(sock):
        time.sleep(0.02 * service.SLOW)  # it renders for ten times as long
        signal_workers(live, signal.SIGSTOP)
        sock.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            sock.recv(1)

    try:
        send(live, abuse.Table(target).good, stop)
    finally:
        signal_workers(live, signal.SIGCONT)


def peer_stops(live):
    send(live, b"\1")


def peer_goes(live):
    target = PATCH.format(live.image, 7, SIDE, SIDE)
    send(live, abuse.Table(target).good, lambda sock: None)


def peer_is_none(live):
    send(live, b"GET / HTTP/1.0\r\n\r\n")


def no_descriptors(live):
    """As root nobody else is needed, see test_starved.py."""
    pids = live.worker_pids()
    for pid in pids:
        taken = {int(n) for n in os.listdir(f"/proc/{pid}/fd")}
        low = min(set(range(len(taken) + 1)) - taken)
        subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={low}:"], check=True)
    try:
        with fcgi.connect(live.socket, 30):
            service.wait_for(lambda: "Too many open files" in log(live), "a pause")
    finally:
        for pid in pids:
            subprocess.run(["prlimit", f"--pid={pid}", "--nofile=1024:"], check=True)


def too_many_wait(live):
    signal_workers(live, signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(24):
                sock = stack.enter_context(fcgi.connect(live.socket, 30))
                sock.sendall(abuse.Table("/healthz").good)
            service.wait_for(lambda: live.counter("shed") > 0, "somebody is sent away")
    finally:
        signal_workers(live, signal.SIGCONT)


def reload_wrong(live):
    good = live.config_file.read_text()
    live.config_file.write_text('{"wokers": 1}')
    os.kill(live.program.pid, signal.SIGHUP)
    service.wait_for(lambda: "wokers" in log(live), "it is refused")
    live.config_file.write_text(good)


def reload_right(live):
    os.kill(live.program.pid, signal.SIGHUP)


def slide_cut(live):
    path = live.add_file(live.root / NAME, "cut.tiff")
    live.ctl("images", "scan")
    image = live.image_id("cut.tiff")
    os.truncate(path, path.stat().st_size // 2)
    assert live.tile(image, 11).status in (422, 503)


def cache_away(live):
    assert live.fcgi.get(tile_target(live)).status == 200


# What happens, the counter that grows, and a line of the log.
FAULTS = [
    (cache_away, "errors_refused", r"warning .*(redis|tiles_cache)"),
    (worker_killed, "worker_deaths", r"error .*worker \d+ died of signal 9"),
    (peer_stops, "slow_peers", r"warning .*the web server sent too slowly"),
    (peer_is_none, "connection_errors", r"debug .*not a FastCGI request"),
    (peer_goes, "peer_gone", r"(reply: |get_patch/\S* 499)"),
    (no_descriptors, "starved", r"error .*accept: Too many open files"),
    (too_many_wait, "shed", r"warning .*answered 503"),
    (slide_cut, "slide_errors", r"(cut\.tiff|/images/image/\d+/\S+ 422)"),
    (reload_wrong, "reload_errors", r"error .*wokers"),
    (reload_right, "reloads", r"info .*(reload|configuration)"),
    (reload_right, "workers_retired", r"worker \d+ started"),
    (request_hangs, "deadline_kills", r"error .*worker \d+ .*request_timeout_s"),
    (request_hangs, "quarantined", rf"{NAME}.*quarantine|quarantine.*{NAME}"),
]


def log(live):
    return (live.dir / "slidecached.log").read_text(errors="replace")


@pytest.mark.parametrize("fault, counter, line", FAULTS, ids=lambda x: getattr(x, "__name__", None))
def test_fault(live, fault, counter, line):
    service.wait_for(lambda: len(live.worker_pids()) == WORKERS, "a full pool", 20)
    before, at = live.counter(counter), len(log(live))
    fault(live)
    service.wait_for(lambda: live.counter(counter) > before, f"{counter} grows", 20)
    found = service.wait_for(lambda: re.search(line, log(live)[at:]), f"a line like {line}", 20)
    text = log(live)[at:]
    begin = text.rfind("\n", 0, found.start()) + 1
    print(f"{counter}: {text[begin : text.find(chr(10), found.start())]}")
