# SPDX-License-Identifier: MIT
"""A slide is replaced, cut, deleted, closed to us and put back while it is served: a request
that began after a change never gets what was there before, and no tile is of two files.
"""

import bisect
import os
import shutil
import time

import pytest

import fcgi
import service
import tiff
from asking import Asking

LONG = service.LONG
CHANGES = 1000 if LONG else 60
CONTENTS = 3
CLIENTS = 6
PAUSE_S = 0.03  # at least, from a change to the next one: the clients see each state
NAME = "s.tiff"
USER = "www-data"  # what root is told to become: root itself reads what is closed to others
LEVEL, COLUMNS, ROWS = 11, 6, 4
REFUSALS = {404, 422, 503}
TILES = [(LEVEL, c, r, fmt) for c in range(COLUMNS) for r in range(ROWS) for fmt in ("png", "jpeg")]


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Files of one size in pixels, no tile of one like any of another."""
    folder = tmp_path_factory.mktemp("replaced")
    return [tiff.write_noise(folder / f"{i}.tiff", 100 + i, 1700, 1100) for i in range(CONTENTS)]


@pytest.fixture(scope="module")
def known(contents):
    """Which content has these bytes at this address: (address, bytes) -> number."""
    null = {"caches": {name: {"backend": "null"} for name in ("default", "tiles_cache")}}
    found = {}
    with service.Service(null, files=contents) as live:
        for number, file in enumerate(contents):
            image = live.image_id(file.name)
            for at in TILES:
                found[at, live.tile(image, *at[:3], fmt=at[3]).body] = number
    assert len(found) == CONTENTS * len(TILES), "two contents have a tile in common"
    return found


def new_service(contents):
    """No scan but the first: one that comes while there is no file notes that the image is
    gone, which stays so until the next one."""
    config = {"log": {"level": "warning"}, "slides": {"scan_interval_s": 0}}
    if os.geteuid() == 0:
        config["user"] = USER
    live = service.Service(config)
    live.add_file(contents[0], NAME)
    if os.geteuid() == 0:
        for folder in (live.dir, live.dir / "state", live.dir / "cache"):
            shutil.chown(folder, USER)
    return live


class Clients(Asking):
    """What each answer was: a status, or the content that its bytes are of."""

    def __init__(self, live, image, known):
        self.live, self.image, self.known = live, image, known
        super().__init__(None, dict.fromkeys(TILES), CLIENTS)

    def look(self, address):
        try:
            reply = self.live.tile(self.image, *address[:3], fmt=address[3])
        except fcgi.Gone:
            return "lost"
        if reply.status != 200:
            return reply.status
        return "content", self.known.get((address, reply.body), "mixed")


class Slide:
    """The file that is served, and what was there when: of each change when it began, when it
    was done, and which content (None: none that could be read) there was then."""

    def __init__(self, live, contents):
        self.live, self.contents = live, contents
        self.path = live.root / NAME
        self.changes = [(0.0, 0.0, 0)]
        self.number = 0

    def change(self, how, after):
        begun = time.monotonic()
        how()
        self.changes.append((begun, time.monotonic(), after))

    def replace(self):
        self.number = (self.number + 1) % CONTENTS
        copy = self.live.dir / "incoming"
        shutil.copyfile(self.contents[self.number], copy)
        self.change(lambda: os.rename(copy, self.path), self.number)

    def cut(self):
        """Its directory is at its end: nothing of it can be read."""
        half = self.path.stat().st_size // 2
        self.change(lambda: os.truncate(self.path, half), None)

    def delete(self):
        self.change(self.path.unlink, None)

    def close(self):
        self.change(lambda: self.path.chmod(0), None)

    def open(self):
        self.change(lambda: self.path.chmod(0o644), self.number)

    def possible(self, begun, ended):
        """Contents that a request of that time may have met."""
        first = bisect.bisect_right(self.changes, begun, key=lambda c: c[1]) - 1
        last = bisect.bisect_left(self.changes, ended, key=lambda c: c[0])
        return {c[2] for c in self.changes[first:last]}, last - first > 1


def judge(slide, answer):
    """What is wrong with an answer, or None."""
    contents, changed = slide.possible(answer.at - answer.seconds, answer.at)
    if isinstance(answer.what, tuple):
        return None if answer.what[1] in contents else f"{answer} instead of {contents}"
    refused = answer.what in REFUSALS and (changed or None in contents)
    return None if refused else f"{answer} while there was {contents}"


def test_a_slide_that_changes_while_it_is_served(contents, known):
    with new_service(contents) as live:
        slide = Slide(live, contents)
        image = live.image_id(NAME)
        pids = sorted(live.worker_pids())
        steps = [slide.replace, slide.cut, slide.replace, slide.delete, slide.replace]
        steps += [slide.close, slide.open, slide.replace]
        with Clients(live, image, known) as clients:
            for i in range(CHANGES):
                since = time.monotonic()
                steps[i % len(steps)]()
                service.wait_for(
                    lambda s=since: len(clients.all(s)) >= 2 * CLIENTS, "answers", pause_s=PAUSE_S
                )
        answers = clients.all()
        wrong = [w for w in (judge(slide, a) for a in answers) if w]
        kinds = [a.what[0] if isinstance(a.what, tuple) else a.what for a in answers]
        count = {str(kind): kinds.count(kind) for kind in sorted(set(kinds), key=str)}
        print(f"{CHANGES} changes under {len(answers)} answers, {count}: {len(wrong)} wrong")
        assert not wrong, "\n".join(wrong[:10])
        assert count["content"] > 2 * CHANGES, "hardly a tile"
        assert sorted(live.worker_pids()) == pids, "a worker died"
