# SPDX-License-Identifier: MIT
"""SIGHUP again and again, behind nginx and under load: no request fails, the new configuration
is there within a second, and at the end there are as many workers as at the beginning.
"""

import json
import os
import random
import signal
import time

import pytest

import service
import tiff
from asking import Asking

LONG = service.LONG
SECONDS = 60 if LONG else 5
STORMS = 10 if LONG else 2
SIGNALS, APART_S = 25, 0.025
WORKERS = 4
CONNECTIONS = 64
THINK_S = 0.1  # a client, between two requests: the machine is not to be full
LIVE_S = 1.0
IN_A_ROW = 3 * WORKERS  # answers by the new configuration: nobody has the old one
TILE = "/images/image/{}/1/1/tile_files/11/{}_{}.jpeg"
SIZES = (64, 100)  # of a thumbnail: what is configured anew each time


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    file = tiff.write_noise(tmp_path_factory.mktemp("reload") / "s.tiff", 1, 1700, 1100)
    config = {"workers": WORKERS, "log": {"level": "warning"}, "thumbnail_size": SIZES[0]}
    with service.Service(config, files=[file], web="nginx") as running:
        image = running.image_id("s.tiff")
        targets = [TILE.format(image, c, r) for c in range(6) for r in range(4)]
        running.right = {t: running.fcgi.get(t).body for t in targets}
        running.thumbnail = f"/api/v1/images/images/{image}/thumbnail/"
        yield running


def configure(live, size):
    """As an administrator would: a file that is complete, or not there."""
    live.config["thumbnail_size"] = size
    new = live.dir / "config.new"
    new.write_text(json.dumps(live.config))
    os.rename(new, live.config_file)


def reload(live):
    os.kill(live.program.pid, signal.SIGHUP)


def until_live(live, old):
    """Seconds until only the new configuration answers."""
    begun, since, row = time.monotonic(), 0.0, 0
    while row < IN_A_ROW:
        asked = time.monotonic()
        reply = live.fcgi.get(live.thumbnail)
        assert reply.status == 200, reply
        row = 0 if reply.body == old else row + 1
        since = asked if row == 1 else since
        assert asked - begun < 20 * service.SLOW, "the new configuration does not come"
    return since - begun


def load(live):
    return Asking(live.web.http.get, live.right, CONNECTIONS, THINK_S)


def full(live):
    return len(live.worker_pids()) == WORKERS


def check(live, asked, before):
    assert not asked.faults(), asked.faults()[:5]
    assert live.program.pid == before and live.program.exit_code() is None
    service.wait_for(lambda: full(live), "as many workers as before", 15)


def test_a_reload_each_second(live):
    master, took = live.program.pid, []
    before = live.counter("reloads")
    with load(live) as asked:
        asked.wait_good(2 * CONNECTIONS)
        begun = time.monotonic()
        while time.monotonic() - begun < SECONDS:
            old = live.fcgi.get(live.thumbnail).body
            configure(live, SIZES[(len(took) + 1) % 2])
            reload(live)
            took.append(until_live(live, old))
            due = begun + len(took)
            asked.over.wait(max(0.0, due - time.monotonic()))
    check(live, asked, master)
    print(
        f"{len(took)} reloads under {len(asked.all())} answers to {CONNECTIONS} connections: "
        f"{len(asked.faults())} failed; live after {max(took):.2f} s at most"
    )
    assert max(took) <= LIVE_S * service.SLOW
    assert live.counter("reloads") >= before + len(took)


def test_a_storm_of_reloads(live):
    master, pick = live.program.pid, random.Random(25)
    with load(live) as asked:
        asked.wait_good(2 * CONNECTIONS)
        for _ in range(STORMS):
            for _ in range(SIGNALS):
                reload(live)
                asked.over.wait(pick.uniform(0, APART_S))
        asked.wait_good(4 * CONNECTIONS)
    check(live, asked, master)
    print(f"{STORMS} storms of {SIGNALS} under {len(asked.all())} answers: none failed")


def settled(live):
    """The workers, when none was replaced for a while."""
    pids = sorted(live.worker_pids())
    time.sleep(0.5)  # what is seen is that nothing happens
    return pids if sorted(live.worker_pids()) == pids and full(live) else None


def test_a_file_that_is_wrong_changes_nothing(live):
    pids = service.wait_for(lambda: settled(live), "the last reload is over", 20)
    before = live.counter("reload_errors")
    with load(live) as asked:
        live.config_file.write_text('{"workers": -1}')
        reload(live)
        service.wait_for(lambda: live_log_has(live, "workers"), "the log says what is wrong")
        configure(live, live.config["thumbnail_size"])
        asked.wait_good(2 * CONNECTIONS)
    assert not asked.faults(), asked.faults()[:5]
    assert sorted(live.worker_pids()) == pids
    assert live.counter("reload_errors") == before + 1


def live_log_has(live, text):
    return any(text in line for line in live.log_tail(3000).splitlines() if " error " in line)
