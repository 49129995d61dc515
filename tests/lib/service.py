# SPDX-License-Identifier: MIT
"""Starts slidecached (and a web server before it) in a directory of its own, and ends it.

A service is started with a JSON configuration that the test writes, is ready when
/healthz answers, and is stopped by its own process id; stopping asserts exit code 0, no
process left over and no sanitizer report. Waiting is for conditions with a deadline,
never for time. SLIDECACHE_BUILD names the build directory (default: build).
"""

import copy
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import fcgi
import web as web_servers
from program import (  # noqa: F401 (tests take all of these from here)
    BUILD,
    REPO,
    SLOW,
    Program,
    child_pids,
    cpu_ticks,
    free_port,
    is_sanitized,
    parent_pid,
    process_name,
    session_pids,
    wait_for,
)

LONG = os.environ.get("SLIDECACHE_LONG") == "1"  # the full figures
SANITIZER_EXIT = 86
# Of a process that was killed while it looked for leaks.
KILLED_REPORT = re.compile(r"(==\d+==Unable to get registers from thread \d+\.\s*)+$")
# Its own frame, or that of the function it called.
LMDB_REPORT = re.compile(r"(?:(?!#0).)*#0 [^\n]*(?:\n\s*#1 [^\n]*)?liblmdb", re.S)
SOCKET_PATH_MAX = 100
LIVE = []  # services that run now: their logs are shown when a test fails

# What processes of the service are called, beside the master.
WORKER_NAME, WARMER_NAME, TASK_NAME = "slidecache-fcgi", "slidecache-warm", "slidecache-task"


def sanitizer_environment(log_dir):
    log_dir.mkdir(parents=True, exist_ok=True)
    common = f"log_path={log_dir}/report:exitcode={SANITIZER_EXIT}"
    suppressions = REPO / "tests" / "lib" / "lsan.supp"
    return {
        "ASAN_OPTIONS": common + ":detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": common + ":print_stacktrace=1",
        "LSAN_OPTIONS": f"suppressions={suppressions}:print_suppressions=0",
    }


def default_config(directory):
    return {
        "listen": f"unix:{directory}/s.sock",
        "workers": 4,
        "state_dir": f"{directory}/state",
        "cache_dir": f"{directory}/cache",
        "slides": {"root": f"{directory}/slides", "scan": True},
        "migrations_dir": f"{directory}/migrations",
        "migrate_on_start": True,
        "log": {"level": "info", "target": "stderr"},
    }


def merge(base, over):
    out = copy.deepcopy(base)
    for key, value in (over or {}).items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if nested else value
    return out


class Service:
    """slidecached over its own slides, state and cache. Use as a context manager.
    web: True, for lighttpd, or a name of web.KINDS; web_parts: see web.Web."""

    def __init__(self, config=None, files=(), web=False, web_parts=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sc-"))
        self.socket = str(self.dir / "s.sock")
        assert len(self.socket) < SOCKET_PATH_MAX, "TMPDIR is too long for a socket path"
        self.root = self.dir / "slides"
        for name in ("slides", "state", "cache"):
            (self.dir / name).mkdir()
        for file in files:
            self.add_file(file)
        self.config = merge(default_config(self.dir), config)
        self.config_file = self.dir / "config.json"
        self.config_file.write_text(json.dumps(self.config, indent=1))
        reports = os.environ.get("SLIDECACHE_ASAN_LOG")
        self.reports = pathlib.Path(reports or self.dir / "reports") / self.dir.name
        self.env = sanitizer_environment(self.reports) if SLOW > 1 else {}
        self.fcgi = fcgi.Client(self.socket, 30 * SLOW)
        self.base = self.config.get("base_path", "")
        self.program = None
        self.unheard = (KILLED_REPORT,)  # reports that are none of a fault of ours
        self.web = self.web_server(web, web_parts) if web else None

    def web_server(self, name, parts):
        kind = web_servers.KINDS["lighttpd" if name is True else name]
        made = kind(self.dir, self.socket, base=self.base, parts=parts)
        made.service_config = self.config_file
        return made

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
                self.check_reports()
        finally:
            self.destroy()

    def add_file(self, source, name=None):
        """Copies a file below the root, as one rename; returns its path there."""
        source = pathlib.Path(source)
        target = self.root / (name or source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.dir / f"incoming-{target.name}"
        shutil.copyfile(source, temporary)
        os.rename(temporary, target)
        return target

    def expect_deaths(self):
        """Before start: a memory fault ends a process as it does in production, without a
        report; for tests that cut or garble files which are mapped. What LMDB does on such
        a file before it dies is reported all the same, and passed over."""
        self.unheard = (KILLED_REPORT, LMDB_REPORT)
        if self.env:
            self.env["ASAN_OPTIONS"] += ":handle_segv=0:handle_sigbus=0"

    def start(self):
        assert self.program is None
        LIVE.append(self)
        if self.is_spawned():
            self.web.env = self.env
            self.web.start()
            self.program, self.fcgi = self.web.service(), self.web.client()
            return
        argv = [BUILD / "slidecached", "--config", self.config_file]
        self.program = Program(argv, self.dir / "slidecached.log", self.env)
        wait_for(self.is_ready, "/healthz answers", 20)
        if self.web:
            self.web.start()

    def is_spawned(self):
        """The web server starts and ends it."""
        return self.web is not None and self.web.spawns

    def is_ready(self):
        code = self.program.exit_code()
        assert code is None, f"slidecached ended with {code}:\n{self.program.output()}"
        try:
            return self.fcgi.get(self.base + "/healthz").status == 200
        except fcgi.Gone:
            return False

    def stop(self):
        """SIGTERM, exit code 0, nobody left, the socket gone."""
        if self.web:
            self.web.stop()
        program, self.program = self.program, None
        try:
            if self.is_spawned():
                return
            code = program.end(signal.SIGTERM)
            assert code == 0, f"exit code {code}:\n{program.output()[-4000:]}"
            assert not os.path.exists(self.socket), "the socket was left behind"
        finally:
            program.destroy()
            LIVE.remove(self)

    def restart(self):
        self.stop()
        self.start()

    def reconfigure(self, over):
        """Stops, merges over into the configuration, starts again."""
        self.stop()
        self.config = merge(self.config, over)
        self.config_file.write_text(json.dumps(self.config, indent=1))
        self.start()

    def kill_master(self):
        """SIGKILL: the program is forgotten, its session is returned."""
        program, self.program = self.program, None
        LIVE.remove(self)
        os.kill(program.pid, signal.SIGKILL)
        program.popen.wait()
        return program.pid

    def destroy(self):
        if self.web:
            self.web.destroy()
        if self.program:
            self.program.destroy()
            self.program = None
        if self in LIVE:
            LIVE.remove(self)
        if os.environ.get("SLIDECACHE_KEEP"):
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def check_reports(self):
        """Fails on any report of AddressSanitizer, LeakSanitizer or UBSan."""
        if SLOW == 1:
            return
        texts = [p.read_text(errors="replace") for p in sorted(self.reports.glob("report*"))]
        texts = [t for t in texts if not any(r.match(t) for r in self.unheard)]
        assert not texts, "sanitizer reports:\n" + "\n".join(texts)[:20000]

    def worker_pids(self):
        return self.children_called(WORKER_NAME)

    def warmer_pids(self):
        return self.children_called(WARMER_NAME)

    def children_called(self, name):
        """Tasks come and go: not every child is a worker."""
        return [pid for pid in child_pids(self.program.pid) if process_name(pid) == name]

    def log_tail(self, n=2000):
        files = [self.dir / "slidecached.log", *([self.web.log] if self.web else [])]
        texts = [(f, f.read_text(errors="replace")[-n:]) for f in files if f.exists()]
        return "\n".join(f"-- {f}\n{text}" for f, text in texts)

    # What most tests ask for.

    def ctl(self, *args, code=0):
        """Runs slidecachectl; returns its standard output."""
        done = self.run_ctl(*args)
        said = f"slidecachectl {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, said
        return done.stdout

    def run_ctl(self, *args):
        argv = [BUILD / "slidecachectl", "--config", self.config_file, *args]
        return subprocess.run(
            [str(a) for a in argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60 * SLOW,
            env={**os.environ, **self.env},
        )

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args))

    def counter(self, name):
        """A counter of "slidecachectl stats"; of those that each cache has, the sum."""
        values = list(find_key(self.ctl_json("stats"), name))
        assert values, f"stats has no {name}"
        return sum(values)

    def images(self):
        """Image objects by file name below the root."""
        reply = self.fcgi.get(self.base + "/api/v1/images/images/?limit=1000")
        assert reply.status == 200, reply
        return {im["filename"]: im for im in json.loads(reply.body)["results"]}

    def image_id(self, name):
        return wait_for(lambda: self.images().get(name), f"{name} is in the list")["id"]

    def tile(self, image, level, col=0, row=0, fmt="png", **kwargs):
        name = f"{level}/{col}_{row}.{fmt}"
        target = f"{self.base}/images/image/{image}/1/1/tile_files/{name}"
        return self.fcgi.get(target, **kwargs)


def find_key(value, name):
    """Depth first: every value under the key name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from find_key(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from find_key(inner, name)
