# SPDX-License-Identifier: MIT
"""memcached, Redis, embedded and null behind the same URLs: the same answers from each,
one round trip a hit, and what several services that share a server see of each other.
"""

import contextlib
import re

import numpy
import pytest

import relay
import servers
import service
import tiff

HITS = 200
BACKENDS = ["embedded", "memcached", "redis", "null"]
STORING = ["embedded", "memcached", "redis"]
PLACES = {"memcached": servers.Memcached, "redis": servers.Redis}
MAY_DIFFER = {"x-cache", "cache-status", "server-timing", "date"}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 1, 1600, 1200)


@pytest.fixture(scope="module")
def places():
    """A running server for each backend that needs one; the others by their names."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(kind()) for name, kind in PLACES.items()}
        yield {**running, "embedded": "embedded", "null": "null"}


def start(stack, file, config, workers=1):
    live = service.Service({"workers": workers, **config}, files=[file])
    return stack.enter_context(live)


@contextlib.contextmanager
def running(file, config, workers=1):
    with contextlib.ExitStack() as stack:
        live = start(stack, file, config, workers)
        live.image_id("s.tiff")
        yield live


def everything(image=1):
    """One target of each kind that is cached, by the versioned cache it belongs to."""
    api = f"/api/v1/images/images/{image}"
    return {
        "tiles": f"/images/image/{image}/1/1/tile_files/10/1_1.jpeg",
        "png": f"/images/image/{image}/1/1/tile_files/9/0_1.png",
        "thumbnails": f"{api}/thumbnail/",
        "slides": f"/images/image/{image}/1/1/tile/",
        "information": f"{api}/slide_information/",
    }


def x_caches(live, target, n):
    replies = [live.fcgi.get(target) for _ in range(n)]
    assert {r.status for r in replies} == {200}, replies
    return [r.x_cache for r in replies]


def comparable(reply):
    headers = {k: v for k, v in reply.headers.items() if k not in MAY_DIFFER}
    return reply.status, headers, reply.body


def conversation(live):
    """What a client sees, but for who answered it; and X-Cache."""
    seen, how = [], []
    for target in everything().values():
        replies = [live.fcgi.get(target) for _ in range(3)]
        replies.append(live.fcgi.head(target))
        replies.append(live.fcgi.get(target, {"If-None-Match": replies[0].headers["etag"]}))
        assert [r.status for r in replies] == [200] * 4 + [304], replies
        seen += [comparable(r) for r in replies]
        how.append([r.x_cache for r in replies[:3]])
    return seen, how


def test_same_answers_whatever_is_configured(file, places):
    """One installation; only backend and location change."""
    seen, how = {}, {}
    with running(file, {}) as live:
        for name in BACKENDS:
            live.reconfigure(servers.kept(places[name]))
            seen[name], how[name] = conversation(live)
    for name in BACKENDS:
        for got, expected in zip(seen[name], seen["embedded"], strict=True):
            assert got == expected, name
    for name in STORING:
        assert how[name] == [["MISS", "HIT", "HIT"]] * len(everything()), name
    assert how["null"] == [["BYPASS"] * 3] * len(everything())


def test_different_backends_at_once(file):
    with servers.Redis() as redis, servers.Memcached() as memcached:
        with running(file, servers.kept(redis, memcached)) as live:
            for target in everything().values():
                assert x_caches(live, target, 2) == ["MISS", "HIT"], target
            keys = [k.decode() for k in redis.keys()]
            assert len(keys) == 2 and all(":tile/" in k for k in keys), keys
            assert memcached.counters()["curr_items"] == "3"


@pytest.mark.parametrize("versions", STORING)
@pytest.mark.parametrize("caches", STORING)
def test_versions_and_caches_anywhere(file, versions, caches):
    """Each pair: hits, an end of them, and hits after a restart of slidecached."""
    with contextlib.ExitStack() as stack:
        names = {versions, caches} - {"embedded"}
        places = {n: stack.enter_context(PLACES[n]()) for n in names}
        places["embedded"] = "embedded"
        config = servers.kept(places[caches], versions=places[versions])
        live = stack.enter_context(running(file, config))
        for name in ("tiles", "thumbnails", "slides"):
            target = everything()[name]
            assert x_caches(live, target, 3) == ["MISS", "HIT", "HIT"], name
            before = live.fcgi.get(target)
            live.ctl("invalidate", name)
            after = live.fcgi.get(target)
            assert after.x_cache == "MISS" and after.body == before.body
            assert after.headers["etag"] != before.headers["etag"]
        listed = live.ctl_json("versions")
        live.restart()
        assert live.ctl_json("versions") == listed
        for target in (everything()[n] for n in ("tiles", "thumbnails", "slides")):
            assert x_caches(live, target, 2) == ["HIT", "HIT"]
        assert live.counter("errors") == 0 and live.counter("version_errors") == 0


@pytest.mark.parametrize("kind", PLACES)
def test_loopback_port(file, kind):
    with PLACES[kind](tcp=True) as server:
        with running(file, servers.kept(server, versions=server)) as live:
            assert x_caches(live, everything()["tiles"], 3) == ["MISS", "HIT", "HIT"]
            live.ctl("invalidate", "tiles")
            assert x_caches(live, everything()["tiles"], 2) == ["MISS", "HIT"]


@pytest.mark.parametrize("kind", PLACES)
def test_several_prefixes_share_a_server(file, kind):
    """Equal slides and addresses; neither sees entries or versions of the other."""
    with PLACES[kind]() as server, contextlib.ExitStack() as stack:
        lives = []
        for prefix in ("one", "two"):
            config = servers.kept(server, versions=server)
            for part in (*config["caches"].values(), config["versions"]):
                part["key_prefix"] = prefix
            if lives:
                config["slides"] = {"root": str(lives[0].root)}
            lives.append(start(stack, file, config))
            lives[-1].image_id("s.tiff")
        target = everything()["tiles"]
        assert [x_caches(live, target, 2) for live in lives] == [["MISS", "HIT"]] * 2
        lives[0].ctl("invalidateversionedcaches")
        assert [x_caches(live, target, 1) for live in lives] == [["MISS"], ["HIT"]]


# Two services, one server.


@contextlib.contextmanager
def two(file, server):
    """Two services over the same slides, as two hosts with a shared folder have them."""
    with contextlib.ExitStack() as stack:
        config = servers.kept(server, versions=server)
        first = start(stack, file, config, 2)
        config["slides"] = {"root": str(first.root)}
        second = start(stack, file, config, 2)
        for live in (first, second):
            assert live.image_id("s.tiff") == 1
        yield first, second


@pytest.mark.parametrize("kind", PLACES)
def test_rendered_by_one_is_a_hit_of_the_other(file, kind):
    with PLACES[kind]() as server, two(file, server) as (first, second):
        for target in everything().values():
            mine, other = first.fcgi.get(target), second.fcgi.get(target)
            assert (mine.x_cache, other.x_cache) == ("MISS", "HIT"), target
            assert comparable(mine) == comparable(other)
        assert second.counter("rendered") == 0


@pytest.mark.parametrize("kind", PLACES)
def test_invalidated_by_one_is_not_served_by_the_other(file, kind):
    """At once: the request right after the acknowledgement."""
    with PLACES[kind]() as server, two(file, server) as (first, second):
        seen = set()
        for n in range(20):
            for name in ("tiles", "thumbnails", "slides"):
                target = everything()[name]
                by, other = (first, second) if n % 2 else (second, first)
                warm = [other.fcgi.get(target) for _ in range(3)]
                assert warm[-1].x_cache == "HIT"
                by.ctl("invalidate", *([name] if n % 4 else ["--all"]))
                after = other.fcgi.get(target)
                assert after.x_cache == "MISS", (n, name)
                etag = after.headers["etag"]
                assert etag not in seen and etag != warm[-1].headers["etag"]
                seen |= {w.headers["etag"] for w in warm}


# Round trips.


def warm_up(live, targets):
    for target in targets:
        live.fcgi.get(target)
        assert live.fcgi.get(target).x_cache == "HIT", target


def round_trips(counter, ask):
    """Of the server, for HITS times ask()."""
    before = counter()
    for _ in range(HITS):
        ask()
    return counter() - before


def redis_round_trips(server, ask):
    """By the server's own counter; one read of it is the question for it."""
    with server.connect() as client:
        return round_trips(client.reads, ask) - 1


@pytest.mark.parametrize("name", ["tiles", "thumbnails", "slides"])
def test_redis_answers_a_hit_in_one_round_trip(file, name):
    with servers.Redis() as server:
        with running(file, servers.kept(server, versions=server)) as live:
            target = everything()[name]
            warm_up(live, [target])

            def hit():
                assert live.fcgi.get(target).x_cache == "HIT"

            assert redis_round_trips(server, hit) == HITS


def test_redis_answers_a_304_in_one_round_trip(file):
    with servers.Redis() as server:
        with running(file, servers.kept(server, versions=server)) as live:
            target = everything()["tiles"]
            warm_up(live, [target])
            condition = {"If-None-Match": live.fcgi.get(target).headers["etag"]}

            def unchanged():
                assert live.fcgi.get(target, condition).status == 304

            assert redis_round_trips(server, unchanged) == HITS


@pytest.mark.parametrize("kind", PLACES)
def test_one_round_trip_on_the_wire(file, kind):
    """Seen from outside of both: bursts that were answered; and over one connection."""
    with PLACES[kind]() as server, relay.Relay(server) as wire:
        with running(file, servers.kept(wire, versions=wire)) as live:
            targets = list(everything().values())
            warm_up(live, targets)
            condition = {"If-None-Match": live.fcgi.get(targets[0]).headers["etag"]}
            before, connections = wire.round_trips, wire.connections
            for _ in range(HITS // len(targets)):
                for target in targets:
                    assert live.fcgi.get(target).x_cache == "HIT"
            assert wire.round_trips - before == HITS
            for _ in range(HITS):
                assert live.fcgi.get(targets[0], condition).status == 304
            assert wire.round_trips - before == 2 * HITS
            assert wire.connections == connections


def test_memcached_keys_of_a_hit(file):
    """The versions and the entry, each asked for once."""
    with servers.Memcached() as server:
        with running(file, servers.kept(server, versions=server)) as live:
            target = everything()["tiles"]
            warm_up(live, [target])

            def asked():
                return int(server.counters()["cmd_get"])

            def hit():
                assert live.fcgi.get(target).x_cache == "HIT"

            keys, rest = divmod(round_trips(asked, hit), HITS)
            assert rest == 0 and 2 <= keys <= 5, f"{keys} keys a hit, and {rest}"


@pytest.mark.parametrize("kind", PLACES)
def test_an_invalidation_costs_one_round_trip_more(file, kind):
    with PLACES[kind]() as server, relay.Relay(server) as wire:
        with running(file, servers.kept(wire, versions=wire)) as live:
            tile, dzi = everything()["tiles"], everything()["slides"]
            warm_up(live, [tile, dzi])
            live.ctl("invalidate", "tiles")
            before = wire.round_trips
            assert live.fcgi.get(dzi).x_cache == "HIT"
            assert wire.round_trips - before <= 2
            before = wire.round_trips
            assert live.fcgi.get(dzi).x_cache == "HIT"
            assert wire.round_trips - before == 1
            assert live.fcgi.get(tile).x_cache == "MISS"


# Passwords and rights.


def log_of(live):
    return live.log_tail(1 << 20)


def test_redis_user_with_the_least_rights(file):
    """deploy/redis-acl.conf is enough for everything that the service does."""
    acl = (service.REPO / "deploy" / "redis-acl.conf").read_text()
    rules = [line for line in acl.splitlines() if line.startswith("user ")]
    password = "a-password-of-tests"
    with servers.Redis() as server:
        path = server.dir / "acl.conf"
        mine = [re.sub(r"[>#]\S+", f">{password}", rule, count=1) for rule in rules]
        path.write_text("\n".join(mine) + "\n")
        server.restart("--aclfile", path)
        server.command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")
        where = {"backend": "redis", "location": server.location(f"slidecache:{password}@")}
        config = {"caches": {"tiles_cache": where, "default": where}, "versions": where}
        with running(file, config) as live:
            for name in ("tiles", "thumbnails", "slides"):
                assert x_caches(live, everything()[name], 2) == ["MISS", "HIT"]
                live.ctl("invalidate", name)
                assert x_caches(live, everything()[name], 2) == ["MISS", "HIT"]
            live.ctl("invalidateversionedcaches")
            live.ctl("versions")
            assert x_caches(live, everything()["tiles"], 2) == ["MISS", "HIT"]
            live.ctl("stats")
            assert live.counter("errors") == 0
        denied = server.command("ACL", "LOG")
        assert not denied, denied


@pytest.mark.parametrize("versions_there", [True, False])
def test_wrong_password(file, versions_there):
    """Tiles are served, the counters tell, and the log says what to do, not the password."""
    with servers.Redis() as server:
        server.restart("--requirepass", "the-right-one")
        where = {"backend": "redis", "location": server.location(":mistaken-secret@")}
        config = {"caches": {"tiles_cache": where, "default": where}}
        config["versions"] = where if versions_there else {"backend": "embedded"}
        with running(file, config) as live:
            kinds = x_caches(live, everything()["tiles"], 5)
            assert set(kinds) <= {"BYPASS", "MISS"}, kinds
            counter = "version_errors" if versions_there else "errors_denied"
            assert live.counter(counter) >= 1
            done = live.run_ctl("invalidate", "tiles")
            assert (done.returncode == 0) == (not versions_there)
            said = log_of(live) + done.stderr
            assert "password" in log_of(live).lower(), log_of(live)
            assert "mistaken-secret" not in said and "the-right-one" not in said


# Values that are too large for the server.


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """Pixels that do not compress: a PNG tile of 1024 x 1024 has 3 MB."""
    random = numpy.random.default_rng(5)
    pixels = random.integers(0, 256, (1024, 1024, 3), numpy.uint8)
    return tiff.write_slide(tmp_path_factory.mktemp("d") / "s.tiff", [pixels])


LARGE = {"deepzoom": {"tile_size": 1024, "overlap": 0}}
LARGE_TILE = "/images/image/1/1/1/tile_files/10/0_0.png"


def test_value_over_the_item_size_of_memcached(dense):
    with servers.Memcached() as server:
        with running(dense, {**LARGE, **servers.kept(server)}) as live:
            replies = [live.fcgi.get(LARGE_TILE) for _ in range(3)]
            assert len(replies[0].body) > 1 << 20 and len({r.body for r in replies}) == 1
            assert [r.x_cache for r in replies] == ["MISS"] * 3
            assert live.counter("too_large") == 3 and live.counter("errors") == 0
            assert x_caches(live, everything()["tiles"].replace("10/1_1", "9/0_0"), 2)[1] == "HIT"


@pytest.mark.parametrize("kind", PLACES)
def test_split_values(dense, kind):
    with PLACES[kind]() as server:
        config = {**LARGE, **servers.kept(server)}
        config["caches"]["tiles_cache"]["options"] = {"split": True}
        with running(dense, config) as live:
            replies = [live.fcgi.get(LARGE_TILE) for _ in range(3)]
            assert len({r.body for r in replies}) == 1
            assert [r.x_cache for r in replies] == ["MISS", "HIT", "HIT"]
            assert live.counter("too_large") == 0


@pytest.mark.parametrize("kind", PLACES)
def test_value_over_the_configured_size(file, kind):
    with PLACES[kind]() as server:
        config = servers.kept(server)
        config["caches"]["tiles_cache"]["options"] = {"max_value_kb": 1}
        with running(file, config) as live:
            assert x_caches(live, everything()["tiles"], 3) == ["MISS"] * 3
            assert x_caches(live, everything()["slides"], 2) == ["MISS", "HIT"]
            stats = live.ctl_json("stats")["caches"]["tiles_cache"]
            assert (stats["too_large"], stats["errors"], stats["stores"]) == (3, 0, 0)


# Versions that are kept elsewhere for a while.


@pytest.mark.parametrize("home", ["redis", "memcached", "embedded"])
def test_versions_come_back_to_where_they_were(file, places, home):
    """What was invalidated while they were elsewhere stays so."""
    target = everything()["tiles"]
    home = places[home]
    with contextlib.ExitStack() as stack:
        away = stack.enter_context(servers.Redis())
        live = start(stack, file, servers.kept(versions=home))
        live.image_id("s.tiff")
        first = live.fcgi.get(target)
        assert live.fcgi.get(target).x_cache == "HIT"
        live.restart()
        assert live.fcgi.get(target).x_cache == "HIT", "the same place: nothing changes"
        live.reconfigure(servers.kept(versions=away))
        assert live.fcgi.get(target).x_cache == "MISS"
        live.ctl("invalidate", "tiles")
        live.config["versions"] = {}  # an embedded one has no location
        live.reconfigure(servers.kept(versions=home))
        last = live.fcgi.get(target)
        assert last.x_cache == "MISS"
        assert last.headers["etag"] != first.headers["etag"]


def test_a_new_host_empties_no_cache(file, places):
    """Its own state is new, the versions it joins are not."""
    target = everything()["tiles"]
    config = servers.kept(tiles=places["redis"], versions=places["redis"])
    with running(file, config) as live:
        live.fcgi.get(target)
        before = live.ctl_json("versions")
        with running(file, config) as other:
            other.fcgi.get(target)
            assert other.ctl_json("versions") == before


def test_no_cache_until_versions_are_changed(file):
    """The new place is out of reach at first."""
    target = everything()["tiles"]
    with contextlib.ExitStack() as stack:
        away = stack.enter_context(servers.Redis())
        live = start(stack, file, {})
        live.image_id("s.tiff")
        live.fcgi.get(target)
        away.kill()
        live.reconfigure(servers.kept(versions=away))
        assert live.fcgi.get(target).x_cache == "BYPASS"
        away.start()
        service.wait_for(lambda: live.fcgi.get(target).x_cache == "HIT", "hits again")
