# SPDX-License-Identifier: MIT
"""The system says no: descriptors, processes, room on the disk. Nobody ends and nobody spins
meanwhile, the log says it once, and all is well as soon as there is enough again.

The wall clock is not among them: nothing short of setting the machine's clock moves it for a
process that is not made for it. Durations are taken from the monotonic one (clock.h).
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import service
import tiff

WORKERS = 3
STARVED_S = 2.0  # is watched
REST_S = 0.1
CPU_MAX = 0.05
LINES_MAX = 1  # of the log, each process, within 10 s
RELIEVED_S = 2.0
USER = "www-data"  # root is let by most limits; it becomes this one
LEVEL, COLUMNS, ROWS = 12, 15, 11
DISK_MB = 64


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("starved") / "s.tiff", 1, 4000, 3000)


@pytest.fixture(scope="module")
def right(file):
    """Of each tile, without any cache."""
    null = {"caches": {name: {"backend": "null"} for name in ("default", "tiles_cache")}}
    with service.Service(null, files=[file]) as live:
        image = live.image_id("s.tiff")
        return {
            (c, r): live.tile(image, LEVEL, c, r, fmt="jpeg").body
            for c in range(COLUMNS)
            for r in range(ROWS)
        }


@contextlib.contextmanager
def running(file, disk=contextlib.nullcontext, **config):
    """disk(folder): what the cache is kept on."""
    config = {"workers": WORKERS, "log": {"level": "warning"}, **config}
    if os.geteuid() == 0:
        config["user"] = USER
    live = service.Service(config, files=[file])
    with disk(live.dir / "cache"):
        if os.geteuid() == 0:
            for folder in (live.dir, live.dir / "state", live.dir / "cache"):
                shutil.chown(folder, USER)
        with live:
            live.image = live.image_id("s.tiff")
            yield live


def ask(live, right, at):
    """Whether the tile came, and right; another answer is a refusal."""
    reply = live.tile(live.image, LEVEL, *at, fmt="jpeg")
    assert reply.status in (200, 503), reply
    assert reply.status != 200 or reply.body == right[at], f"wrong bytes of {at}"
    return reply.status == 200


def asks(live, right, at):
    """The same in a thread, as nobody answers yet."""
    came = []
    thread = threading.Thread(target=lambda: came.append(ask(live, right, at)))
    thread.start()
    return thread, came


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(pids):
    """What part of a processor they take while it lasts."""
    before = [cpu_s(pid) for pid in pids]
    time.sleep(STARVED_S)  # this is the measurement
    return max((cpu_s(pid) - b) / STARVED_S for pid, b in zip(pids, before))


def descriptors(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def lowest_free(pid):
    """Once it is at rest: what it does between two requests may open and close something."""

    def at_rest():
        taken = descriptors(pid)
        time.sleep(REST_S)  # what is seen is that nothing happens
        return taken if descriptors(pid) == taken else None

    taken = service.wait_for(at_rest, "a worker at rest")
    return min(set(range(len(taken) + 1)) - taken)


def set_limit(pid, what, soft):
    """As the user that it runs as: nobody else may, in a container."""
    argv = ["prlimit", f"--pid={pid}", f"--{what}={soft}:"]
    other = {"user": USER, "group": USER} if os.geteuid() == 0 else {}
    subprocess.run(argv, check=True, **other)


def get_limit(pid, title):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(rf"{title}\s+(\d+|unlimited)", text)[1]


TITLES = {"nofile": "Max open files", "nproc": "Max processes"}


@contextlib.contextmanager
def limited(pids, what, soft):
    """soft(pid) is the limit of each."""
    before = {pid: get_limit(pid, TITLES[what]) for pid in pids}
    for pid in pids:
        set_limit(pid, what, soft(pid))
    try:
        yield
    finally:
        for pid, limit in before.items():
            set_limit(pid, what, limit)


def lines(live, text):
    """How often each process said it."""
    log = (live.dir / "slidecached.log").read_text(errors="replace")
    said = re.findall(r"\[(\d+)\] [^\n]*" + text, log)
    return [said.count(pid) for pid in set(said)]


def relieved(live, right, what):
    """All tiles are right again, at once; from the cache, too."""
    begun = time.monotonic()
    service.wait_for(lambda: ask(live, right, (0, 0)), "an answer", RELIEVED_S)
    took = time.monotonic() - begun
    for at in list(right)[:40]:
        assert ask(live, right, at)
    print(f"{what}: full service {took:.2f} s after the relief")
    assert took <= RELIEVED_S * service.SLOW


def test_no_descriptor_for_a_connection(file, right):
    with running(file) as live:
        pids = sorted(live.worker_pids())
        with limited(pids, "nofile", lowest_free):
            thread, came = asks(live, right, (3, 3))
            used = watch(pids)
            assert not came, "there was a descriptor"
        thread.join()
        assert came == [True], "who waited got no tile"
        said = lines(live, "Too many open files")
        relieved(live, right, f"no descriptor: {100 * used:.1f} % CPU, log lines {said}")
        assert used < CPU_MAX * service.SLOW
        assert said and max(said) <= LINES_MAX, said
        assert live.counter("starved") >= 1
        assert sorted(live.worker_pids()) == pids, "a worker ended"


@pytest.mark.parametrize("left", [1, 2, 3, 4, 5])
def test_few_descriptors_left(file, right, left):
    """A connection is accepted, and the slide, or something else, cannot be opened: OpenSlide
    does not say that it was for want of descriptors, but the slide is not said to be bad."""
    with running(file) as live:
        pids = sorted(live.worker_pids())
        with limited(pids, "nofile", lambda pid: lowest_free(pid) + left):
            for at in list(right)[:20]:
                ask(live, right, at)
        relieved(live, right, f"{left} descriptors left")
        assert sorted(live.worker_pids()) == pids, "a worker ended"


def test_no_process_for_a_worker(file, right):
    """Killed workers cannot be replaced; the others serve."""
    with running(file) as live:
        pids, master = sorted(live.worker_pids()), live.program.pid
        with limited([master], "nproc", lambda _: 0):
            for pid in pids[1:]:
                os.kill(pid, signal.SIGKILL)
            service.wait_for(lambda: live.worker_pids() == pids[:1], "one is left")
            used = watch([master])
            for at in list(right)[:10]:
                assert ask(live, right, at)
        begun = time.monotonic()
        service.wait_for(lambda: len(live.worker_pids()) == WORKERS, "all of them", RELIEVED_S)
        took, said = time.monotonic() - begun, lines(live, "cannot be forked")
        relieved(live, right, f"no process: {100 * used:.1f} % CPU, log lines {said}")
        print(f"all workers {took:.2f} s after the relief")
        assert used < CPU_MAX * service.SLOW
        assert said and max(said) <= LINES_MAX, said
        assert live.program.pid == master and live.program.exit_code() is None


def test_no_room_for_the_log(file, right):
    """Each line that is written there fails."""
    with running(file, log={"level": "info", "target": "/dev/full"}) as live:
        pids = sorted(live.worker_pids())
        for at in list(right)[:40]:
            assert ask(live, right, at)
        assert sorted(live.worker_pids()) == pids, "a worker ended"


# ----- a disk of our own ---------------------------------------------------------------------


@contextlib.contextmanager
def disk(folder):
    argv = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=777", "tmpfs", str(folder)]
    subprocess.run(argv, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    path = folder / "filler"
    with open(path, "wb") as f, contextlib.suppress(OSError):
        while True:
            f.write(bytes(1 << 16))
            f.flush()
    return path


def no_room_in_the_store(file, right):
    """Tiles are rendered and not stored; the store takes them again once there is room."""
    with running(file, disk) as live:
        pids = sorted(live.worker_pids())
        assert ask(live, right, (0, 0))
        filler = fill(live.dir / "cache")
        for at in right:
            assert ask(live, right, at)
        used = watch(pids)
        filler.unlink()
        relieved(live, right, f"no room for the store: {100 * used:.1f} % CPU")
        service.wait_for(lambda: is_hit(live), "a hit", RELIEVED_S)
        assert used < CPU_MAX * service.SLOW
        assert sorted(live.worker_pids()) == pids, "a worker ended"
        assert len([n for n in lines(live, "(full|No space)") if n > 2]) == 0


def is_hit(live):
    reply = live.tile(live.image, LEVEL, 5, 5, fmt="jpeg")
    return reply.x_cache == "HIT"


if os.geteuid() == 0:  # nobody else can mount
    test_no_room_in_the_store = no_room_in_the_store
