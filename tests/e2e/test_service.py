# SPDX-License-Identifier: MIT
"""The program itself: command line, listeners, mount prefix, log, stop, new workers."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import fcgi
import service
import tiff
from service import BUILD, Program, Service, wait_for


def run(*args, **kwargs):
    argv = [str(BUILD / "slidecached"), *(str(a) for a in args)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **kwargs)


@pytest.fixture
def folder():
    """A service's folder with one slide, and no service."""
    idle = Service()
    tiff.write_noise(idle.root / "noise.tiff", 1)
    yield idle
    idle.destroy()


class Started:
    """slidecached with command-line flags, and a client for its address."""

    def __init__(self, idle, address, *flags, stdin=subprocess.DEVNULL):
        argv = [BUILD / "slidecached", *flags]
        self.program = Program(argv, idle.dir / "own.log", idle.env, stdin)
        self.client = fcgi.Client(address, 30)

    def __enter__(self):
        try:
            wait_for(self.is_ready, "/healthz", 20)
        except BaseException:
            self.program.destroy()
            raise
        return self.client

    def is_ready(self):
        code = self.program.exit_code()
        assert code is None, f"ended with {code}:\n{self.program.output()}"
        try:
            return self.client.get("/healthz").status == 200
        except fcgi.Gone:
            return False

    def __exit__(self, *_):
        code = self.program.end(signal.SIGTERM)
        self.program.destroy()
        assert code == 0, self.program.output()


def lists_a_slide(client):
    def listed():
        page = json.loads(client.get("/api/v1/images/images/").body)
        return page["count"] == 1

    wait_for(listed, "the slide is in the list")
    return client.get("/images/image/1/1/1/tile_files/10/0_0.jpeg").status == 200


def test_no_file_at_all(folder):
    """--slides DIR --listen ADDR --state-dir DIR are enough."""
    flags = ["--slides", folder.root, "--listen", f"unix:{folder.socket}"]
    flags += ["--state-dir", folder.dir / "state", "--workers", "2"]
    with Started(folder, folder.socket, *flags) as client:
        assert lists_a_slide(client)


def test_listens_on_tcp(folder):
    port = service.free_port()
    flags = ["--config", folder.config_file, "--listen", f"127.0.0.1:{port}"]
    with Started(folder, ("127.0.0.1", port), *flags) as client:
        assert lists_a_slide(client)


def bound(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    return listener


def test_listens_on_descriptor_0(folder):
    """As lighttpd, spawn-fcgi and mod_fcgid start it."""
    path = str(folder.dir / "zero.sock")
    flags = ["--config", folder.config_file, "--listen", "fd:0"]
    with bound(path) as listener, Started(folder, path, *flags, stdin=listener) as client:
        assert lists_a_slide(client)
    assert os.path.exists(path), "the socket is its owner's"


def test_listens_on_what_systemd_gives(folder):
    """Descriptor 3, LISTEN_FDS, and LISTEN_PID: its own process id."""
    path = str(folder.dir / "three.sock")
    script = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
    argv = ["sh", "-c", script, "sh", BUILD / "slidecached", "--config", folder.config_file]
    with bound(path) as listener:
        started = Started.__new__(Started)
        started.program = Program(
            [*argv, "--listen", "systemd"], folder.dir / "own.log", folder.env, listener
        )
        started.client = fcgi.Client(path, 30)
        with started as client:
            assert lists_a_slide(client)


CLOSED = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"]


def test_started_without_descriptors(folder):
    """No file or socket takes the place of a closed stderr, which gets lines."""
    flags = ["--config", folder.config_file, "--set", "log.level=debug"]
    started = Started.__new__(Started)
    argv = [*CLOSED, BUILD / "slidecached", *flags]
    started.program = Program(argv, folder.dir / "own.log", folder.env)
    started.client = fcgi.Client(folder.socket, 30)
    with started as client:
        assert lists_a_slide(client)
        for pid in [started.program.pid, *service.child_pids(started.program.pid)]:
            for fd in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    for file in [*folder.dir.glob("state/**/*"), *folder.dir.glob("cache/**/*")]:
        assert not file.is_file() or b"Z debug [" not in file.read_bytes(), file


def test_ctl_without_descriptors(folder):
    argv = [*CLOSED, BUILD / "slidecachectl", "--config", folder.config_file]
    subprocess.run([*argv, "images", "scan"], check=True, timeout=60)
    done = subprocess.run([*argv, "no-such-command"], timeout=60)
    assert done.returncode == 2


def test_systemd_gave_nothing(folder):
    done = run("--config", folder.config_file, "--listen", "systemd")
    assert done.returncode == 1 and "systemd" in done.stderr


@pytest.mark.parametrize(
    "text,said",
    [
        ('{"listn": "unix:/x"}', "listen"),
        ('{"slides": {"rot": "/x"}}', "slides.root"),
        ('{"workers": -1}', "workers"),
        ('{"workers": "many"}', "workers"),
        ('{"caches": {"tiles_cache": {"backend": "cloud"}}}', "embedded"),
        ('{"deepzoom": {"jpeg_quality": 101}}', "jpeg_quality"),
        ('{"workers": 1,}', "config.json"),
        ("[]", "config.json"),
    ],
)
def test_check_config_says_what_is_wrong(folder, text, said):
    assert run("--config", folder.config_file, "--check-config").returncode == 0
    folder.config_file.write_text(text)
    done = run("--config", folder.config_file, "--check-config")
    assert done.returncode == 1, done
    assert said in done.stderr, done.stderr


SECRET_PLACES = [
    ("redis", "http://user:HIDDEN@host"),
    ("redis", "user:HIDDEN@host:6379"),
    ("redis", "rediss://user:HIDDEN@host"),
    ("redis", "redis://user:HIDDEN@host:99999/0"),
    ("memcached", "redis://user:HIDDEN@host"),
    ("memcached", "user:HID,HIDDEN@host"),
    ("embedded", "redis://user:HIDDEN@host"),
]


@pytest.mark.parametrize("backend,location", SECRET_PLACES)
@pytest.mark.parametrize("section", ["caches.tiles_cache", "versions"])
def test_wrong_places_are_refused_without_a_password(folder, section, backend, location):
    sets = ["--set", f"{section}.backend={backend}", "--set", f"{section}.location={location}"]
    for flags in (["--check-config"], ["--workers", "1"]):
        done = run("--config", folder.config_file, *flags, *sets, cwd=folder.dir)
        assert done.returncode == 1, done
        assert done.stderr.startswith(f"slidecached: {section}.location: "), done.stderr
        assert "HIDDEN" not in done.stderr
    assert not list(folder.dir.glob("redis*")), "a folder of that name"


def test_help_says_what_print_config_shows():
    assert "passwords in locations too" in run("--help").stdout


def test_help_has_no_blanks_at_the_end_of_a_line():
    ctl = subprocess.run([BUILD / "slidecachectl", "--help"], capture_output=True, text=True,
                         check=True)
    for text in (run("--help").stdout, ctl.stdout):
        assert [line for line in text.splitlines() if line != line.rstrip()] == []


def test_print_config_is_a_config(folder):
    first = run("--config", folder.config_file, "--print-config")
    assert first.returncode == 0, first
    printed = json.loads(first.stdout)
    assert printed["workers"] == 4 and printed["slides"]["root"] == str(folder.root)
    assert printed["deepzoom"]["tile_size"] == 254
    folder.config_file.write_text(first.stdout)
    assert run("--config", folder.config_file, "--print-config").stdout == first.stdout


def test_usage():
    for args in (["--no-such-flag"], ["word"], ["--workers", "x"], ["--config"]):
        done = run(*args)
        assert done.returncode == 2, (args, done)
        assert done.stderr and not done.stdout
    assert "slides.root" in run("--help").stdout
    assert run("--version").stdout.startswith("slidecached ")


def test_base_path(folder, tmp_path):
    file = tiff.write_noise(tmp_path / "noise.tiff", 1)
    with Service({"base_path": "/scope/lab"}, files=[file], web=True) as live:
        image = live.image_id("noise.tiff")
        tile = f"/images/image/{image}/1/1/tile_files/10/0_0.jpeg"
        assert live.fcgi.get("/scope/lab" + tile).status == 200
        for outside in (tile, "/scope" + tile, "/scope/labx" + tile, "/scope/lab"):
            assert live.fcgi.get(outside).status == 404, outside
        assert live.web.http.get("/scope/lab" + tile).status == 200
        assert live.web.http.get("/scope/lab/").status == 200
        listing = live.fcgi.get("/scope/lab/api/v1/images/images/?limit=1&offset=1")
        previous = json.loads(listing.body)["previous"]
        assert previous.startswith("http://localhost/scope/lab/api/v1/images/images/?")


def test_one_log_line_a_request(folder, tmp_path):
    file = tiff.write_noise(tmp_path / "noise.tiff", 1)
    with Service(files=[file]) as live:
        image = live.image_id("noise.tiff")
        target = f"/images/image/{image}/1/1/tile_files/10/0_0.jpeg?mark=\x1b[31m\n2026 forged"
        live.fcgi.get(target)
        lines = [n for n in live.program.output().split("\n") if "mark=" in n]
        assert len(lines) == 1 and lines[0].isprintable(), lines
        assert "\\x1b" in lines[0] and "GET" in lines[0]


def test_no_log_line_a_request_when_none_is_wanted(folder, tmp_path):
    """The start has its lines, and the answer its header."""
    file = tiff.write_noise(tmp_path / "noise.tiff", 1)
    with Service({"log": {"requests": False}}, files=[file]) as live:
        image = live.image_id("noise.tiff")
        target = f"/images/image/{image}/1/1/tile_files/10/0_0.jpeg"
        assert live.fcgi.get(f"{target}?mark").headers["server-timing"]
        said = live.program.output()
        assert "mark" not in said and "/healthz" not in said and "ready:" in said


def test_a_dead_worker_is_replaced_at_once(folder, tmp_path):
    with Service() as live:
        for _ in range(5):
            before = set(live.worker_pids())
            victim = before.pop()
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda v=victim: v not in live.worker_pids(), "it is gone")
            wait_for(lambda: len(live.worker_pids()) >= live.config["workers"], "a new one", 2)
            assert live.fcgi.get("/healthz").status == 200
        assert live.counter("worker_deaths") >= 1


def test_stop_under_load_cuts_no_answer(folder, tmp_path):
    """Answers are whole or did not begin; the stop takes no longer than they need."""
    file = tiff.write_noise(tmp_path / "noise.tiff", 1, 2000, 2000)
    with Service(files=[file]) as live:
        image = live.image_id("noise.tiff")
        wrong, answers, over = [], [0], threading.Event()

        def ask(seed):
            while not over.is_set():
                seed = (seed + 1) % 49
                try:
                    reply = live.tile(image, 11, seed % 7, seed // 7)
                except fcgi.Gone:
                    continue
                answers[0] += 1
                if reply.status != 200 or int(reply.headers["content-length"]) != len(reply.body):
                    wrong.append(reply)

        threads = [threading.Thread(target=ask, args=(i * 5,)) for i in range(8)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                enough = answers[0] + 100
                wait_for(lambda n=enough: answers[0] >= n, "load")
                live.restart()
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not wrong, wrong[:3]


def test_new_slides_appear_on_sighup(folder, tmp_path):
    with Service({"slides": {"scan_interval_s": 0}}) as live:
        live.add_file(tiff.write_flat(tmp_path / "new.tiff", (1, 2, 3)))
        os.kill(live.program.pid, signal.SIGHUP)
        live.image_id("new.tiff")


def test_scan_may_be_switched_off(folder, tmp_path):
    file = tiff.write_flat(tmp_path / "new.tiff", (1, 2, 3))
    with Service({"slides": {"scan": False}}, files=[file]) as live:
        os.kill(live.program.pid, signal.SIGHUP)
        live.ctl("images", "add", "new.tiff")
        assert set(live.images()) == {"new.tiff"}
