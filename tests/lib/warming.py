# SPDX-License-Identifier: MIT
"""Calls that warm slides, and the processes that do it, for tests of a service."""

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import struct

import service
from management import Manager, document, encode

IMAGES = "/api/v1/images/images"
TABLE_LOCK = 1 << 41  # the byte of the table of jobs that whoever reads it locks


class Warmer(Manager):
    """Calls of one user through one client."""

    def warm(self, image, body=None, **headers):
        """PATCH update_image_cache. body: what is to be JSON, or bytes as they are."""
        sent = dict(self.headers)
        if body is not None and "Content_Type" not in headers:
            sent["Content-Type"] = "application/json"
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        raw = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        target = f"{IMAGES}/{image}/update_image_cache/"
        return self.client.request("PATCH", target, sent, raw, **self.more)

    def queue(self, image, body=None, **headers):
        """The same without waiting: the job."""
        reply = self.warm(image, {} if body is None else body, Prefer="respond-async", **headers)
        return document(reply, 202)

    def add(self, body, **headers):
        return self.post("/jobs/", body, **headers)

    def jobs(self):
        return document(self.get("/jobs/"))["jobs"]

    def job(self, job):
        return document(self.get(f"/jobs/{job}/"))

    def cancel(self, job, body=None):
        return self.call("DELETE", f"/jobs/{job}/", body)

    def active(self):
        return [j for j in self.jobs() if j["state"] in ("queued", "running")]

    def ended(self, job, deadline_s=60):
        """The job once it did not wait or run any more."""

        def look():
            now = self.job(job)
            return now if now["state"] not in ("queued", "running") else None

        return service.wait_for(look, f"job {job} ends", deadline_s)

    def until(self, job, state, deadline_s=20):
        def look():
            now = self.job(job)
            return now if now["state"] == state else None

        return service.wait_for(look, f"job {job} is {state}", deadline_s)

    def clear(self):
        """Nothing waits, runs, or is remembered."""
        for job in self.active():
            self.cancel(job["id"])
        service.wait_for(lambda: not self.active(), "no job is left")
        for job in self.jobs():
            self.cancel(job["id"])
        assert self.jobs() == []


def is_locked(path, at):
    """Whether any process holds the lock of this byte of a file."""
    layout = "hhqqi"  # struct flock
    want = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    with open(path, "rb+") as file:
        got = fcntl.fcntl(file, fcntl.F_OFD_GETLK, want)
    return struct.unpack(layout, got)[0] != fcntl.F_UNLCK


def stands(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def paused(live):
    """The warmers stand still: what is queued stays so. None of them in the middle of the
    table, which would be locked for all others."""
    table = live.dir / "state" / "jobs"

    def stopped():
        pids = live.warmer_pids()
        signal_all(pids, signal.SIGSTOP)
        if pids and all(map(stands, pids)) and table.exists():
            if not is_locked(table, TABLE_LOCK):
                return pids
        signal_all(pids, signal.SIGCONT)
        return None

    pids = service.wait_for(stopped, "the warmers stand still")
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


def levels(found):
    """The members of an answer that are levels."""
    return [found[str(i)] for i in range(len(found)) if str(i) in found]


def total(found):
    return levels(found)[-1]["Total"] if levels(found) else 0


def tiles_of(live, image):
    """(level, column, row) of all of its Deep Zoom levels."""
    reply = live.fcgi.get(f"{IMAGES}/{image}/slide_information/")
    for level, (columns, rows) in enumerate(json.loads(reply.body)["level_tiles"]):
        yield from ((level, c, r) for c in range(columns) for r in range(rows))


def tile(live, image, at, plane=(1, 1), fmt="jpeg"):
    level, column, row = at
    z, frame = plane
    name = f"{level}/{column}_{row}.{fmt}"
    return live.fcgi.get(f"/images/image/{image}/{z}/{frame}/tile_files/{name}")
