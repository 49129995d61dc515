# SPDX-License-Identifier: MIT
"""Processes that tests start: each in a session of its own, with its output in a file, ended
by its own id; and waiting for conditions with a deadline. SLIDECACHE_BUILD names the build
directory (default: build)."""

import os
import pathlib
import signal
import socket
import subprocess
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = (REPO / os.environ.get("SLIDECACHE_BUILD", "build")).resolve()


def is_sanitized():
    return b"__asan_init" in (BUILD / "slidecached").read_bytes()


SLOW = 6 if (BUILD / "slidecached").exists() and is_sanitized() else 1


def wait_for(condition, what, deadline_s=10.0, pause_s=0.01):
    """Returns the first true value of condition(); fails loudly when there is none."""
    end = time.monotonic() + deadline_s * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s * SLOW:.0f} s: {what}")
        time.sleep(pause_s)


def session_pids(session):
    """Processes of a session that are not zombies."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(entry.name))
    return found


def child_pids(pid):
    try:
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return [int(p) for p in path.read_text().split()]
    except OSError:
        return []


def process_name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def stat_fields(pid):
    """Of /proc/PID/stat, from the state on; of a process that is gone, zeros."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["X", *["0"] * 49]


def parent_pid(pid):
    return int(stat_fields(pid)[1])


def cpu_ticks(pid):
    """How long it computed for itself, in hundredths of a second."""
    return int(stat_fields(pid)[11])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A process in a session of its own, with its output in a file."""

    def __init__(self, argv, log, env=None, stdin=subprocess.DEVNULL):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                [str(a) for a in argv],
                stdin=stdin,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self.popen.pid

    def exit_code(self):
        return self.popen.poll()

    def output(self):
        return self.log.read_text(errors="replace")

    def end(self, signum, deadline_s=15.0):
        """Signals the process, waits for it and for all of its session."""
        if self.popen.poll() is None:
            self.popen.send_signal(signum)
        wait_for(lambda: self.popen.poll() is not None, f"{self.log.name}: end", deadline_s)
        wait_for(lambda: not session_pids(self.pid), "no process left over", 5)
        return self.popen.returncode

    def destroy(self):
        """The last resort of a failed test: only processes that this one started."""
        for pid in {self.pid, *session_pids(self.pid)}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.popen.wait()
