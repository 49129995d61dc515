# SPDX-License-Identifier: MIT
"""Eight writers invalidate, 64 readers ask a service behind lighttpd: every response
carries versions that were current at some moment between its start and its end.

The judge knows of every change when it began and ended, and mostly which version it made
and which it replaced. A version may be in a response only if its change began before the
response's end, and neither the change that replaced it, nor any that began after its own
was over, ended before the response's start. All clocks are one: CLOCK_MONOTONIC.
"""

import bisect
import collections
import itertools
import math
import random
import re
import subprocess
import threading
import time

import pytest

import fcgi
import servers
import service
import tiff

SECONDS = 60 if service.LONG else 6
WRITERS = 8
READERS = 64
WORKERS = 8
TAG = re.compile(r'"([A-Za-z0-9]{8})([A-Za-z0-9]{8})-[0-9a-f]{16}"')
PATIENT = {"timeout_ms": 10000}

Response = collections.namedtuple("Response", "start end versions x_cache")
Span = collections.namedtuple("Span", "began ended")


class Changes:
    """Of one name: whether one followed a moment and was over before another."""

    def __init__(self, spans):
        self.spans = sorted(spans)
        self.first_ended = list(itertools.accumulate((s.ended for s in self.spans[::-1]), min))
        self.first_ended.reverse()

    def between(self, after, before):
        at = bisect.bisect_right(self.spans, (after, math.inf))
        return at < len(self.spans) and self.first_ended[at] < before


class Judge:
    """Judges responses by what the writers said. A version that a writer did not make (it
    was there before, or a store made it anew after everything was changed) was made before
    it was first seen in a response."""

    def __init__(self, lines, responses):
        self.by = {}  # actor -> Span
        self.maker = {}  # (name, version) -> actor
        self.next = {}  # (name, version) -> the version that replaced it
        self.first_seen = {}  # (name, version) -> when
        spans = collections.defaultdict(list)
        for line in lines:
            what, *words = line.split(" ")
            if what == "change":
                span = self.by[words[0]] = Span(int(words[1]) / 1e6, int(words[2]) / 1e6)
                for name in words[3:]:
                    spans[name].append(span)
            else:
                name, version, previous = words[:3]
                self.maker[name, version] = words[3]
                self.next[name, previous] = version
        for r in sorted(responses, key=lambda r: r.end):
            for item in r.versions.items():
                self.first_seen.setdefault(item, r.end)
        self.changes = {name: Changes(found) for name, found in spans.items()}

    def is_known(self, name, version):
        return self.maker.get((name, version)) in self.by

    def made(self, name, version):
        if self.is_known(name, version):
            return self.by[self.maker[name, version]]
        return Span(-math.inf, self.first_seen[name, version])

    def objection(self, response):
        """Why the response is wrong; "" when it is right."""
        for name, version in response.versions.items():
            made = self.made(name, version)
            follower = self.next.get((name, version))
            if made.began > response.end:
                return f"{name} {version} was made afterwards"
            if self.changes[name].between(made.ended, response.start):
                return f"{name} {version} was replaced before"
            if follower and self.is_known(name, follower):
                if self.made(name, follower).ended < response.start:
                    return f"{name} {version} was replaced before, by {follower}"
        return ""


class Writers:
    """Processes that invalidate, on the store of the service, until they are stopped."""

    def __init__(self, config, names):
        versions = config["versions"]
        location = versions.get("location") or f"{config['state_dir']}/versions"
        argv = [service.BUILD / "bench" / "version_writer", versions["backend"], location]
        argv.append(versions.get("key_prefix", "exact"))
        self.popen = [
            subprocess.Popen(
                [str(a) for a in [*argv, n + 1, *names]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n in range(WRITERS)
        ]
        self.readers = [threading.Thread(target=self.read, args=(p,)) for p in self.popen]
        self.lines = []
        for thread in self.readers:
            thread.start()

    def read(self, popen):
        for line in popen.stdout:
            self.lines.append(line.rstrip("\n"))

    def stop(self):
        for popen in self.popen:
            popen.stdin.close()
        for thread in self.readers:
            thread.join()
        for popen in self.popen:
            said = popen.stderr.read()
            popen.stderr.close()
            popen.stdout.close()
            assert popen.wait() == 0, said


class Readers:
    """Threads that ask, half of them with the tag that they saw last."""

    def __init__(self, http, targets):
        self.http = http
        self.targets = targets
        self.responses = []
        self.failures = []
        self.end = time.monotonic() + SECONDS
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(READERS)]
        for thread in self.threads:
            thread.start()

    def run(self, n):
        seen = {}
        choice = random.Random(n)
        while time.monotonic() < self.end and not self.failures:
            names, target = choice.choice(self.targets)
            headers = {"If-None-Match": seen[target]} if n % 2 and target in seen else {}
            try:
                seen[target] = self.ask(names, target, headers)
            except (AssertionError, OSError, fcgi.Gone) as e:
                self.failures.append(repr(e))

    def ask(self, names, target, headers):
        start = time.monotonic()
        reply = self.http.get(target, headers)
        end = time.monotonic()
        assert reply.status in (200, 304), reply
        tag = reply.headers.get("etag", "")
        found = TAG.fullmatch(tag)
        assert found, f"no versions in {tag!r}: {reply}"
        versions = dict(zip(names, found.groups()))
        self.responses.append(Response(start, end, versions, reply.x_cache))
        return tag

    def join(self):
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures[:3]
        return self.responses


def targets(image):
    """What is asked for, and the names whose versions its tag begins with."""
    own = f"image/{image}"
    tile = f"/images/image/{image}/1/1/tile_files/10/%d_%d.jpeg"
    tiles = [(("tiles", own), tile % (col, row)) for col in range(3) for row in range(3)]
    thumbnail = (("thumbnails", own), f"/api/v1/images/images/{image}/thumbnail/")
    return [*tiles, thumbnail]


def prove_that_it_can_fail(judge, responses):
    """Right responses, as if they had come later or earlier than they did."""
    first = min(responses, key=lambda r: r.end)
    last = max(responses, key=lambda r: r.start)
    assert "was replaced before" in judge.objection(last._replace(versions=first.versions))
    assert "was made afterwards" in judge.objection(first._replace(versions=last.versions))


def check(lines, responses):
    judge = Judge(lines, responses)
    verdicts = collections.Counter(map(judge.objection, responses))
    right = verdicts.pop("", 0)
    assert not verdicts, f"{len(responses) - right} of {len(responses)}: {list(verdicts)[:5]}"
    prove_that_it_can_fail(judge, responses)
    found = collections.Counter(r.x_cache for r in responses)
    known = sum(judge.is_known(*item) for r in responses for item in r.versions.items())
    print(f"{right} right, {len(judge.by)} changes, {known / right / 2:.2f} known, {found}")
    assert known > right, "most versions are made by nobody we know"
    assert found["HIT"] > 0 and found["MISS"] > 0, found
    assert len(judge.by) >= WRITERS * SECONDS, "the writers were slow"


def config_on(where):
    config = servers.kept(tiles=where, versions=where)
    config["versions"].update(PATIENT)
    for cache in config["caches"].values():
        cache["options"] = PATIENT
    quiet = {"log": {"level": "warning"}, "migrate_on_start": True, "workers": WORKERS}
    return {**config, **quiet}


def race(where, file):
    with service.Service(config_on(where), files=[file], web=True) as live:
        asked = targets(live.image_id(file.name))
        names = sorted({name for versioned, _ in asked for name in versioned})
        writers = Writers(live.config, names)
        try:
            responses = Readers(live.web.http, asked).join()
        finally:
            writers.stop()
        check(writers.lines, responses)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 1, 760, 760)


def test_embedded(file):
    race("embedded", file)


@pytest.mark.parametrize("name", servers.KINDS)
def test_server(file, name):
    with servers.KINDS[name]() as server:
        race(server, file)
