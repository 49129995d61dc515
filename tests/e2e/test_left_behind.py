# SPDX-License-Identifier: MIT
"""What versions left behind: it makes room before anything else, and stays out of reach when
the version store goes back in time."""

import shutil

import pytest

import management
import service
import tiff

ROOM = 40
HIT = 20
LEVEL = 12  # of 1600 x 1200 pixels and more: enough tiles of each kind


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("left") / "s.tiff", 3, 4000, 3000)


def tiles(live, image, numbers):
    replies = [live.tile(image, LEVEL, n % 10, n // 10, fmt="jpeg") for n in numbers]
    assert {r.status for r in replies} == {200}
    return [r.x_cache for r in replies]


# ----- room ------------------------------------------------------------------------------


def by_command(live):
    live.ctl("invalidate", "tiles")


def by_http(live):
    anna = management.Manager(live.fcgi)
    assert anna.invalidate("tiles").status == 200


@pytest.mark.parametrize("invalidate", [by_command, by_http])
def test_what_was_left_behind_makes_room_at_once(file, tmp_path, invalidate):
    users = tmp_path / "users"
    users.write_text(management.USERS)
    config = {
        "workers": 1,
        "access": {"htpasswd_file": str(users)},
        "caches": {"tiles_cache": {"options": {"max_entries": ROOM}}},
    }
    with service.Service(config, files=[file]) as live:
        image = live.image_id("s.tiff")
        for expected in ("MISS", "HIT"):
            assert tiles(live, image, range(HIT)) == [expected] * HIT
        invalidate(live)
        others = range(HIT, HIT + ROOM)
        assert tiles(live, image, others) == ["MISS"] * ROOM
        assert tiles(live, image, others) == ["HIT"] * ROOM
        assert live.counter("reclaimed") >= HIT


# ----- back in time ----------------------------------------------------------------------


def ask(live, image):
    """The tag of a tile, and whether it was a hit; of an answer that is right."""
    reply = live.tile(image, LEVEL)
    assert reply.status == 200, reply
    return reply.headers["etag"], reply.x_cache


def never_again(live, image, old):
    """Whatever the store was made of: the tag of before is not seen, and hits come back."""
    for _ in range(3):
        assert ask(live, image) != (old, "HIT")
    assert service.wait_for(lambda: went_back(live), "the log says that versions went back")
    assert ask(live, image)[0] != old
    service.wait_for(lambda: ask(live, image)[1] == "HIT", "a hit under the new versions")
    assert ask(live, image)[0] != old


def went_back(live):
    return "the versions are older than what was stored under them" in live.log_tail(20000)


def test_an_old_copy_is_put_back(file):
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        old = ask(live, image)[0]
        assert ask(live, image) == (old, "HIT")
        live.stop()
        state, copy = live.dir / "state", live.dir / "copy"
        shutil.copytree(state, copy)
        live.start()
        live.ctl("invalidateversionedcaches")
        assert ask(live, image)[1] == "MISS"
        live.stop()
        shutil.rmtree(state)
        copy.rename(state)
        live.start()
        never_again(live, image, old)


def test_two_places_of_versions_for_one_cache(file):
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        old = ask(live, image)[0]
        first, other = live.config["state_dir"], live.dir / "other"
        shutil.copytree(first, other, ignore=shutil.ignore_patterns("versions*"))
        live.reconfigure({"state_dir": str(other)})
        assert ask(live, image)[1] == "MISS"
        live.reconfigure({"state_dir": first})
        never_again(live, image, old)


def test_nothing_went_back(file):
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        for _ in range(3):
            ask(live, image)
            live.ctl("invalidate", "tiles")
            live.restart()
        assert ask(live, image)[1] == "MISS"
        assert ask(live, image)[1] == "HIT"
        live.ctl("invalidate", "--image", str(image))
        assert not went_back(live)
