# SPDX-License-Identifier: MIT
"""After a slide was warmed with a budget that covers it, everything that a viewer asks for
is there, and it is what would have been rendered for the viewer."""

import json

import pytest

import servers
import service
import slides
import viewer
from management import ANNA, JSON, USERS

API = "/api/v1/images/images"
SLIDE, WIDTH, HEIGHT = "look.tiff", 7000, 5000
EACH = 11  # of the trace's tiles one in so many is compared
LEAST = 500


@pytest.fixture(scope="module")
def trace():
    found = list(viewer.trace(WIDTH, HEIGHT))
    assert len(found) >= LEAST and len(set(found)) == len(found)
    return found


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return slides.make_slide(tmp_path_factory.mktemp("look"), SLIDE, WIDTH, HEIGHT)


def config(tmp, where):
    (tmp / "users").write_text(USERS)
    users = {"access": {"htpasswd_file": str(tmp / "users")}}
    return service.merge(users, servers.kept(where))


@pytest.fixture(scope="module")
def passive(tmp_path_factory, file, trace):
    """Tiles of the trace as a service renders them that nobody told to warm."""
    with service.Service(config(tmp_path_factory.mktemp("p"), "embedded"), [file]) as live:
        image = live.image_id(SLIDE)
        replies = {tile: get(live.fcgi, image, tile) for tile in trace[::EACH]}
        assert {r.x_cache for r in replies.values()} == {"MISS"}
        return {tile: r.body for tile, r in replies.items()}


@pytest.fixture(params=["embedded", "redis", "memcached"])
def live(request, tmp_path, file):
    if request.param == "embedded":
        with service.Service(config(tmp_path, "embedded"), [file], web=True) as running:
            yield running
        return
    options = {"memcached": ["-m", "256"]}.get(request.param, [])
    with servers.KINDS[request.param](options=options) as server:
        with service.Service(config(tmp_path, server), [file], web=True) as running:
            yield running


def get(client, image, tile, query=""):
    level, column, row = tile
    name = f"{level}/{column}_{row}.jpeg"
    reply = client.get(f"/images/image/{image}/1/1/tile_files/{name}{query}")
    assert reply.status == 200, (tile, reply)
    return reply


def warm(live, image):
    """Until it is done: a slow machine may want more than one call."""

    def ask():
        body = json.dumps({"mem_size_mb": 200}).encode()
        target = f"{API}/{image}/update_image_cache/"
        reply = live.web.http.request("PATCH", target, {**ANNA, **JSON}, body)
        assert reply.status == 200, reply
        return "job" not in json.loads(reply.body)

    service.wait_for(ask, "the slide is warm", 120)


def test_everything_that_a_viewer_asks_for_is_a_hit(live, passive, trace):
    live.image_id(SLIDE)
    image = live.images()[SLIDE]
    warm(live, image["id"])
    query = f"?v={image['version']}"
    replies = {tile: get(live.web.http, image["id"], tile, query) for tile in trace}
    missed = [tile for tile, reply in replies.items() if reply.x_cache != "HIT"]
    assert not missed, f"{len(missed)} of {len(trace)}: {missed[:20]}"
    assert all("immutable" in reply.headers["cache-control"] for reply in replies.values())
    for tile, body in passive.items():
        assert replies[tile].body == body, tile
