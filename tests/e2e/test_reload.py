# SPDX-License-Identifier: MIT
"""SIGHUP and SIGUSR1: another configuration without losing a request, or the old one when
the new one is no good; workers that end in order; a log file that was renamed."""

import contextlib
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import tempfile
import threading

import pytest

import fcgi
import tiff
from clients import Crowd
from service import BUILD, LIVE, LONG, SLOW, Program, Service, child_pids, process_name, wait_for

RELOADS = 60 if LONG else 8
LEVEL = 11
SHED_NAME = "slidecache-shed"


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("slides") / "noise.tiff", 1, 2000, 2000)


@pytest.fixture
def live(noise):
    with Service(files=[noise]) as running:
        wait_for(lambda: said(running, "] ready:"), "the start's end")
        yield running


class Load(Crowd):
    """Clients that ask without a pause and compare each answer with the first one."""

    def __init__(self, live, clients=8):
        self.live = live
        self.image = live.image_id("noise.tiff")
        self.good = [self.ask(i).body for i in range(49)]
        self.wrong, self.answers = [], 0
        super().__init__(self.run, range(0, 5 * clients, 5))

    def ask(self, i):
        return self.live.tile(self.image, LEVEL, i % 7, i // 7)

    def run(self, i):
        while not self.over.is_set():
            i = (i + 1) % 49
            try:
                reply = self.ask(i)
            except fcgi.Gone as e:
                self.wrong.append(e)
                continue
            if reply.status != 200 or reply.body != self.good[i]:
                self.wrong.append(reply)
            self.answers += 1

    def wait_more(self, n=200):
        enough = self.answers + n
        wait_for(lambda: self.answers >= enough, "load")


def said(live, text):
    return live.program.output().count(text)


def hang_up(live):
    os.kill(live.program.pid, signal.SIGHUP)


def write(live, config):
    live.config = config
    live.config_file.write_text(json.dumps(config))


def reload(live):
    """Until the new configuration's workers are all there is."""
    before = said(live, "] ready:")
    hang_up(live)
    wait_for(lambda: said(live, "] ready:") > before, "the reload's end", 20)


def refuse(live, reason):
    """A reload that is not taken, and whose workers are the same as before."""
    workers = set(live.worker_pids())
    before = said(live, "configuration not taken")
    hang_up(live)
    wait_for(lambda: said(live, "configuration not taken") > before, "a refusal", 20)
    assert reason in live.program.output()
    assert live.fcgi.get("/healthz").status == 200
    wait_for(lambda: set(live.worker_pids()) == workers, "the same workers")


def test_reloads_under_load_cost_no_request(live):
    old = set(live.worker_pids())
    with Load(live) as load:
        for _ in range(RELOADS):
            load.wait_more()
            reload(live)
        load.wait_more()
    assert not load.wrong, load.wrong[:3]
    wait_for(lambda: len(live.worker_pids()) == live.config["workers"], "old workers gone")
    assert not old & set(live.worker_pids())
    assert live.counter("reloads") == RELOADS
    assert live.counter("worker_deaths") == 0


def test_a_storm_of_signals_costs_no_request(live):
    """Of those that come while a reload runs one is remembered."""
    pause = threading.Event()
    with Load(live) as load:
        load.wait_more()
        for _ in range(25):
            hang_up(live)
            pause.wait(random.uniform(0, 0.025))
        wait_for(lambda: said(live, "] ready:") >= 2, "a reload", 20)
        load.wait_more()
    assert not load.wrong, load.wrong[:3]
    reload(live)
    wait_for(lambda: len(live.worker_pids()) == live.config["workers"], "old workers gone")
    assert 1 < live.counter("reloads") < 26
    assert live.counter("reload_errors") == 0


BAD = [
    ("{", "config.json:1"),
    ('{"slides": {"rot": "/"}}', "slides.root"),
    ({"workers": -1}, "workers"),
    ({"slides": {"root": "/nowhere"}}, "slides.root"),
    ({"cache_dir": "/nowhere/cache"}, "cache_dir"),
    ({"access": {"htpasswd_file": "/nowhere"}}, "htpasswd_file"),
    ({"caches": {"default": {"options": {"secret_file": "/nowhere"}}}}, "secret_file"),
    ({"log": {"target": "/nowhere/log"}}, "log.target"),
]


def test_bad_configurations_change_nothing(live):
    good = live.config
    for bad, reason in BAD:
        text = bad if isinstance(bad, str) else json.dumps({**good, **bad})
        live.config_file.write_text(text)
        refuse(live, reason)
    live.config_file.unlink()
    refuse(live, "config.json")
    write(live, good)
    reload(live)
    assert live.counter("reload_errors") == len(BAD) + 1
    assert live.counter("reloads") == 1


def test_what_a_reload_changes(live):
    """Number of workers and warmers, the mount point, the level of the log."""
    good = live.config
    write(live, {**good, "workers": 7, "warmers": 2, "base_path": "/scope"})
    reload(live)
    wait_for(lambda: len(live.worker_pids()) == 7, "seven workers")
    wait_for(lambda: len(live.warmer_pids()) == 2, "two warmers")
    wait_for(lambda: live.ctl_json("stats")["workers"] == 7, "the gauge")
    assert live.fcgi.get("/healthz").status == 404
    assert live.fcgi.get("/scope/healthz").status == 200
    write(live, {**good, "workers": 1, "warmers": 1, "log": {"level": "debug"}})
    reload(live)
    wait_for(lambda: len(live.worker_pids()) == 1, "one worker")
    wait_for(lambda: len(live.warmer_pids()) == 1, "one warmer")
    assert live.fcgi.get("/healthz").status == 200
    os.kill(live.worker_pids()[0], signal.SIGKILL)
    wait_for(lambda: said(live, " debug ["), "a line for debugging")


def test_what_only_a_restart_changes_is_named_and_stays(live):
    good = live.config
    other = live.dir / "elsewhere"
    fixed = {"listen": f"unix:{other}.sock", "socket_mode": "0600", "state_dir": str(other)}
    write(live, {**good, **fixed, "base_path": "/scope"})
    reload(live)
    line = "only a restart changes listen, socket_mode, state_dir: as before until then"
    assert said(live, line) == 1
    assert live.fcgi.get("/scope/healthz").status == 200
    assert not other.exists()
    assert not os.path.exists(f"{other}.sock")
    live.config = good
    live.config_file.write_text(json.dumps(good))


def test_options_of_the_command_line_stay(live):
    """They win over the file, now as at the start."""
    live.stop()
    argv = [BUILD / "slidecached", "--config", live.config_file, "--workers", "3"]
    live.program = Program(argv, live.dir / "flags.log", live.env)
    LIVE.append(live)
    wait_for(lambda: said(live, "] ready:"), "the start's end", 20)
    write(live, {**live.config, "workers": 5, "base_path": "/scope"})
    reload(live)
    assert live.fcgi.get("/scope/healthz").status == 200
    wait_for(lambda: len(live.worker_pids()) == 3, "three workers")


def test_a_renamed_log_is_opened_anew(noise, tmp_path):
    log, old = tmp_path / "log", tmp_path / "log.1"
    with Service({"log": {"target": str(log), "level": "debug"}}, files=[noise]) as live:
        log.rename(old)
        live.fcgi.get("/healthz?before")
        wait_for(lambda: "?before" in old.read_text(), "a line in the old file")
        os.kill(live.program.pid, signal.SIGUSR1)
        wait_for(log.exists, "a new file")
        for _ in range(20):  # whichever worker
            live.fcgi.get("/healthz?after")
        wait_for(lambda: log.read_text().count("?after") == 20, "lines in the new file")
        assert "?after" not in old.read_text()
        open_files = [f"/proc/{pid}/fd" for pid in [live.program.pid, *live.worker_pids()]]
        wait_for(lambda: not any(leads_to(d, old) for d in open_files), "closed in all", 10)


def leads_to(directory, file):
    paths = [os.path.join(directory, name) for name in os.listdir(directory)]
    return str(file) in [os.readlink(path) for path in paths if os.path.lexists(path)]


def test_a_log_that_cannot_be_opened_anew_goes_on(noise, tmp_path):
    folder, away = tmp_path / "logs", tmp_path / "away"
    folder.mkdir()
    with Service({"log": {"target": str(folder / "log")}}, files=[noise]) as live:
        folder.rename(away)
        os.kill(live.program.pid, signal.SIGUSR1)
        wait_for(lambda: "not opened again" in (away / "log").read_text(), "a line in the old")
        live.fcgi.get("/healthz?still")
        wait_for(lambda: "?still" in (away / "log").read_text(), "lines in the old file")


def said_in(log, text):
    return log.exists() and text in log.read_text()


def test_a_log_that_nobody_reads_holds_nobody_up(live):
    fifo = live.dir / "fifo"
    os.mkfifo(fifo)
    good = live.config
    write(live, {**good, "log": {"target": str(fifo)}})
    refuse(live, "a FIFO that nobody reads")
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        hang_up(live)
        wait_for(lambda: b"configuration taken" in (reader.read() or b""), "the reload", 20)
    os.kill(live.program.pid, signal.SIGUSR1)
    for _ in range(20):
        assert live.fcgi.get("/healthz").status == 200
    write(live, good)
    reload(live)


def test_another_log_is_used_once_it_is_proven(noise, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    with Service({"log": {"target": str(old)}}, files=[noise]) as live:
        write(live, {**live.config, "log": {"target": str(new), "level": "debug"}})
        hang_up(live)
        wait_for(lambda: said_in(new, "] ready:"), "the reload's end", 20)
        for i in range(20):
            live.fcgi.get(f"/healthz?after={i}")
        wait_for(lambda: new.read_text().count("?after=") == 20, "lines in the new file")
        assert said_in(new, "configuration taken")
        assert not said_in(old, "configuration taken") and not said_in(old, "?after=")


@pytest.fixture
def roots_log(noise):
    """A service of another user's, whose log is in a folder of root's; if root tests."""
    with tempfile.TemporaryDirectory(prefix="sc-") as name, contextlib.ExitStack() as stack:
        log = pathlib.Path(name) / "log"
        os.chmod(name, 0o755)
        live = Service({"log": {"target": str(log)}}, files=[noise])
        stack.callback(live.destroy)
        live.reports.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for folder in (live.dir, live.dir / "state", live.dir / "cache", live.reports):
                shutil.chown(folder, "nobody")
            write(live, {**live.config, "user": "nobody"})
        with live:
            wait_for(lambda: said_in(log, "] ready:"), "the start's end")
            yield live, log


def test_a_log_that_was_opened_as_root(roots_log):
    live, log = roots_log
    hang_up(live)
    wait_for(lambda: said_in(log, "configuration taken"), "a reload", 20)
    assert log.owner() == (live.config.get("user") or pwd.getpwuid(os.geteuid()).pw_name)
    os.kill(live.program.pid, signal.SIGUSR1)
    live.fcgi.get("/healthz?after")
    wait_for(lambda: said_in(log, "?after"), "a line")
    assert not said_in(log, "not opened again")


def test_a_log_of_roots_only(roots_log):
    """One that cannot be opened again, which is no reason to refuse a configuration."""
    live, log = roots_log
    os.chown(log, os.geteuid(), os.getegid())
    old = set(live.worker_pids())
    write(live, {**live.config, "log": {"target": str(log), "level": "debug"}})
    hang_up(live)
    wait_for(lambda: said_in(log, "configuration taken"), "a reload", 20)
    wait_for(lambda: not old & set(live.worker_pids()), "old workers gone")
    os.kill(live.worker_pids()[0], signal.SIGKILL)
    wait_for(lambda: said_in(log, " debug ["), "a line for debugging")
    assert os.geteuid() != 0 or said_in(log, "Permission denied; goes on in the open one")


def test_workers_end_in_order_after_their_requests(noise):
    with Service({"max_requests_per_worker": 40}, files=[noise]) as live:
        with Load(live, 4) as load:
            load.wait_more(1000)
        assert not load.wrong, load.wrong[:3]
        assert live.counter("workers_retired") >= 20
        assert live.counter("worker_deaths") == 0
        assert "requests (max_requests_per_worker)" in live.program.output()


def test_a_reload_keeps_what_runs(live, noise):
    """A request that a worker has when it is told to end is answered by it."""
    image = live.image_id("noise.tiff")
    good = live.tile(image, LEVEL).body
    old = set(live.worker_pids())
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    replies = []
    ask = threading.Thread(target=lambda: replies.append(live.tile(image, LEVEL)))
    ask.start()
    before = said(live, "] ready:")
    hang_up(live)
    wait_for(lambda: said(live, "] ready:") > before, "new workers", 20)
    for pid in old:
        os.kill(pid, signal.SIGCONT)
    ask.join()
    assert replies[0].body == good
    wait_for(lambda: not old & set(live.worker_pids()), "old workers gone")


def test_the_shedder_is_there_again(live):
    def shedders():
        return [p for p in child_pids(live.program.pid) if process_name(p) == SHED_NAME]

    first = wait_for(shedders, "the shedder")[0]
    reload(live)
    wait_for(lambda: shedders() and first not in shedders(), "another shedder", 5 * SLOW)
    os.kill(shedders()[0], signal.SIGKILL)
    wait_for(lambda: len(shedders()) == 1, "another one")
