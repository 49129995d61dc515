# SPDX-License-Identifier: MIT
"""Who may what: roles x routes x cached or not, on each backend. Whoever may not read an image
is answered as if it were not there, in every byte; what is taken away is gone with the next
request; and no cache, entity tag or token of an address is a way round."""

import json
import re

import pytest

import relay
import servers
import service
from acls import (
    CAPS,
    LISTS,
    MISSING,
    OPEN,
    ROLES,
    SECRET,
    TEAM,
    Guarded,
    without,
)
from management import basic, document

BACKENDS = ["embedded", "redis", "memcached"]
API = "/api/v1/images/images"
CACHE = "/api/v1/cache"
TILE = "/images/image/{id}/1/1/tile_files/9/0_0.jpeg"
DZI = "/images/image/{id}/1/1/tile/"
ONE = API + "/{id}/"
HITS = 50
MAY_DIFFER = {"date"}

# Everything that reads one image; what readers get of it.
READS = {
    "dzi": (DZI, 200),
    "dzi, api": (API + "/{id}/1/1/tile/", 200),
    "tile": (TILE, 200),
    "tile, png": ("/images/image/{id}/1/1/tile_files/10/1_1.png", 200),
    "tile, api": (API + "/{id}/1/1/tile_files/9/0_0.jpeg", 200),
    "thumbnail": (API + "/{id}/thumbnail/", 200),
    "information": (API + "/{id}/slide_information/", 200),
    "patch": (API + "/{id}/get_patch/?x=0&y=0&level=0&width=64&height=64", 200),
    "one": (ONE, 200),
    "version": (CACHE + "/versions/image/{id}/", 200),
    "outside": ("/images/image/{id}/1/1/tile_files/9/99_0.jpeg", 404),
    "no plane": ("/images/image/{id}/2/1/tile/", 404),
    "no format": ("/images/image/{id}/1/1/tile_files/9/0_0.gif", 404),
    "bad patch": (API + "/{id}/get_patch/?x=-1", 400),
    "bad query": (ONE + "?fields=%zz", 400),
}

# Everything that manages one image.
MANAGES = {
    "warm": ("PATCH", API + "/{id}/update_image_cache/", {"mem_size_mb": 0.01}),
    "warm, wrong": ("PATCH", API + "/{id}/update_image_cache/", {"x": 1}),
    "invalidate": ("POST", CACHE + "/versions/image/{id}/invalidate/", None),
    "invalidate, several": ("POST", CACHE + "/invalidate/", {"images": ["{id}"]}),
    "job": ("POST", CACHE + "/jobs/", {"image": "{id}", "mem_size_mb": 0.01}),
    "jobs": ("POST", CACHE + "/jobs/", {"images": ["{id}"], "mem_size_mb": 0.01}),
}

# What reading, managing by the address (PATCH) and managing otherwise are answered with, by
# role, for OPEN, TEAM, SECRET and MISSING. 2: whatever the route's own answer is. What anybody
# may read has warmer, too, who may not read by its token.
TABLE = {
    "stranger": {"read": (2, 401, 401, 401), "warm": [401] * 4, "other": [401] * 4},
    "otto": {"read": (2, 404, 404, 404), "warm": (403, 404, 404, 404), "other": [403] * 4},
    "ida": {"read": (2, 2, 404, 404), "warm": (403, 403, 404, 404), "other": [403] * 4},
    "helper": {"read": (2, 2, 404, 404), "warm": (403, 2, 404, 404),
               "other": (403, 2, 404, 404)},
    "capped": {"read": (2, 2, 404, 404), "warm": (403, 403, 404, 404), "other": [403] * 4},
    "warmer": {"read": (2, 404, 404, 404), "warm": (404, 2, 404, 404),
               "other": (404, 2, 404, 404)},
    "anna": {"read": (2, 2, 2, 404), "warm": (2, 2, 2, 404), "other": (2, 2, 2, 404)},
}
IMAGES = (OPEN, TEAM, SECRET, MISSING)
assert set(TABLE) == set(ROLES)


def fill(template, image):
    """An id for {id}, in a text or a body."""
    if isinstance(template, dict):
        return {name: fill(value, image) for name, value in template.items()}
    if isinstance(template, list):
        return [fill(value, image) for value in template]
    if template == "{id}":
        return image
    return template.replace("{id}", str(image)) if isinstance(template, str) else template


def comparable(reply, image):
    """All of a reply, as if it were MISSING's."""
    headers = {k: v for k, v in reply.headers.items() if k not in MAY_DIFFER}
    for name, value in headers.items():
        headers[name] = re.sub(rf"\b{image}\b", str(MISSING), value)
    body = re.sub(rb"\b%d\b" % image, b"%d" % MISSING, reply.body)
    return reply.status, headers, body


@pytest.fixture(scope="module", params=BACKENDS)
def guarded(request, tmp_path_factory):
    """LISTS, which tests leave as they were."""
    folder = tmp_path_factory.mktemp("g")
    if request.param == "embedded":
        with Guarded(folder, {"warmers": 1}) as running:
            yield running
        return
    with servers.KINDS[request.param]() as server:
        config = servers.kept(server, versions=server)
        with Guarded(folder, config) as running:
            yield running


def warm_all(guarded):
    """By somebody who may: everything that is cached is, in every worker's sight."""
    for template, _ in READS.values():
        for image in (OPEN, TEAM, SECRET):
            for _ in range(2):
                guarded.ask("anna", fill(template, image))
    assert guarded.ask("anna", fill(TILE, SECRET)).x_cache == "HIT"


# ----- the table -------------------------------------------------------------------------


@pytest.mark.parametrize("cached", ["cold", "warm"])
@pytest.mark.parametrize("role", TABLE)
def test_reading(guarded, role, cached):
    guarded.live.ctl("invalidate", "--all")
    if cached == "warm":
        warm_all(guarded)
    for name, (template, own) in READS.items():
        for image, expected in zip(IMAGES, TABLE[role]["read"], strict=True):
            expected = own if expected == 2 else expected
            if (role, name, image) == ("warmer", "version", OPEN):
                expected = 404  # as in the list, of which it is a part
            reply = guarded.ask(role, fill(template, image))
            assert reply.status == expected, (name, image, reply)
            assert guarded.ask(role, fill(template, image), "HEAD").status == expected


def hidden_from(role, kind):
    """The images of which a role is not to learn that they are there."""
    found = zip(IMAGES, TABLE[role][kind], strict=True)
    refused = (401, 404) if kind == "read" else (401, 403, 404)
    last = TABLE[role][kind][-1]
    return [i for i, expected in found if i != MISSING and expected in refused and expected == last]


@pytest.mark.parametrize("cached", ["cold", "warm"])
@pytest.mark.parametrize("role", [r for r in TABLE if r != "anna"])
def test_not_yours_is_not_there(guarded, role, cached):
    """The whole answer, with and without the right tag and token of the address."""
    guarded.live.ctl("invalidate", "--all")
    if cached == "warm":
        warm_all(guarded)
    for image in hidden_from(role, "read"):
        token = guarded.document("anna", fill(ONE, image))["version"]
        assert len(token) == 16
        for name, (template, _) in READS.items():
            target = fill(template, image)
            tag = guarded.ask("anna", target).headers.get("etag", '"x"')
            more = "&" if "?" in target else "?"
            for headers, query in (
                ({}, ""),
                ({"If-None-Match": tag}, ""),
                ({"If-None-Match": "*"}, f"{more}v={token}"),
                ({"If-None-Match": tag}, f"{more}v={token}"),
            ):
                answers = [
                    comparable(guarded.ask(role, fill(template, i) + query, headers=headers), i)
                    for i in (image, MISSING)
                ]
                assert answers[0] == answers[1], (name, image)
                assert answers[0][0] in (401, 404) and "etag" not in answers[0][1]


@pytest.mark.parametrize("role", TABLE)
def test_managing(guarded, role):
    wait_for_jobs(guarded)
    for name, (method, template, body) in MANAGES.items():
        kind = "warm" if name.startswith("warm") else "other"
        for image, expected in zip(IMAGES, TABLE[role][kind], strict=True):
            wait_for_jobs(guarded)
            asked = (role, fill(template, image), method, fill(body, image))
            reply = ask_of_jobs(guarded, *asked)
            own = 422 if name == "warm, wrong" else 202 if name.startswith("job") else 200
            assert reply.status == (own if expected == 2 else expected), (name, image, reply)
        for image in hidden_from(role, kind) if role != "anna" else ():
            answers = [
                comparable(ask_of_jobs(guarded, role, fill(template, i), method, fill(body, i)), i)
                for i in (image, MISSING)
            ]
            assert answers[0] == answers[1], (name, image)


def ask_of_jobs(guarded, *asked):
    """On a busy machine a warmer may hold their table for longer than a request waits."""
    def answer():
        reply = guarded.ask(*asked)
        return reply if reply.status != 503 else None

    return service.wait_for(answer, "the jobs' table is free", 30)


def jobs_of(guarded, role):
    return document(ask_of_jobs(guarded, role, CACHE + "/jobs/"))["jobs"]


def wait_for_jobs(guarded):
    def ended():
        jobs = jobs_of(guarded, "anna")
        return all(job["state"] not in ("queued", "running") for job in jobs)

    # Warmers are nice: on a busy machine they take their time.
    service.wait_for(ended, "jobs ended", 120)


ALL = [
    ("GET", "/stats/", None),
    ("POST", "/invalidate/", {"caches": ["tiles"]}),
    ("POST", "/invalidate/", {"caches": ["tiles"], "images": [TEAM]}),
    ("POST", "/invalidate/", {"all": True}),
    ("POST", "/versions/tiles/invalidate/", None),
    ("PUT", "/versions/team/theme/", None),
    ("DELETE", "/versions/team/theme/", None),
]


@pytest.mark.parametrize("role", TABLE)
def test_what_is_about_all_images(guarded, role):
    for method, target, body in ALL:
        status = guarded.ask(role, CACHE + target, method, body).status
        if role == "anna":
            assert status in (200, 201, 204), target
        else:
            assert status == (401 if role == "stranger" else 403), target


# Of OPEN, TEAM, SECRET and MISSING: nobody but anna has the right to labels.
LABELS = {
    "stranger": (401, 401, 401, 401),
    "otto": (403, 404, 404, 404),
    "ida": (403, 403, 404, 404),
    "helper": (403, 403, 404, 404),
    "capped": (403, 403, 404, 404),
    "warmer": (404, 404, 404, 404),
}


@pytest.mark.parametrize("role", LABELS)
def test_labels_are_a_right_of_their_own(guarded, role):
    for template in (API + "/{id}/associated/", API + "/{id}/associated/label/"):
        for image, expected in zip(IMAGES, LABELS[role], strict=True):
            assert guarded.ask(role, fill(template, image)).status == expected, image
        assert guarded.ask("anna", fill(template, TEAM)).status in (200, 404)


# ----- lists -----------------------------------------------------------------------------

MAY_READ = {
    role: {i for i, of in zip(IMAGES, row["read"], strict=True) if of == 2}
    for role, row in TABLE.items()
}
MAY_READ["warmer"] = set()


@pytest.mark.parametrize("role", TABLE)
def test_lists_hold_what_may_be_read(guarded, role):
    mine = sorted(MAY_READ[role])
    listed = guarded.document(role, API + "/")
    assert [im["id"] for im in listed["results"]] == mine
    assert (listed["count"], listed["next"], listed["previous"]) == (len(mine), None, None)
    for offset in range(len(mine) + 1):
        page = guarded.document(role, f"{API}/?limit=1&offset={offset}")
        assert [im["id"] for im in page["results"]] == mine[offset:offset + 1]
        assert page["count"] == len(mine)
        assert (page["next"] is None) == (offset + 1 >= len(mine))
    for image in IMAGES:
        found = guarded.document(role, f"{API}/?id={image}")
        assert found["count"] == (image in mine)
        found = guarded.document(role, f"{API}/?filename__contains={image}.tiff")
        assert found["count"] == (image in mine)


@pytest.mark.parametrize("role", TABLE)
def test_versions_of_images_that_may_be_read(guarded, role):
    warm_all(guarded)
    found = guarded.document(role, CACHE + "/versions/")["versions"]
    assert {"tiles", "thumbnails", "slides", "acl"} <= set(found)
    images = {n for n in found if n.startswith("image/")}
    assert images <= {f"image/{i}" for i in MAY_READ[role]}
    everything = guarded.document("anna", CACHE + "/versions/")["versions"]
    if any(n.startswith("image/") for n in everything):  # memcached has no list of them
        assert images == {f"image/{i}" for i in MAY_READ[role]}


@pytest.mark.parametrize("role", TABLE)
def test_who_changed_what_is_for_who_manages_all(guarded, role):
    """And how much is left of it: readers are told when it changed."""
    warm_all(guarded)
    expected = {"version", "changed_at"}
    if role == "anna":
        expected |= {"changed_by", "orphaned_entries", "orphaned_bytes"}
    found = guarded.document(role, CACHE + "/versions/")["versions"]
    assert {frozenset(of) for of in found.values()} == {frozenset(expected)}
    one = guarded.document(role, CACHE + "/versions/tiles/")
    assert set(one) == expected and one["version"] == found["tiles"]["version"]
    for image in MAY_READ[role]:
        assert set(guarded.document(role, CACHE + f"/versions/image/{image}/")) == expected
    if role == "helper":  # who changes it knows who did
        target = CACHE + f"/versions/image/{TEAM}/invalidate/"
        assert guarded.document(role, target, method="POST")["changed_by"] == "helper (token)"


def test_jobs_of_images_that_may_be_managed(guarded):
    wait_for_jobs(guarded)
    ids = {}
    for image in (TEAM, SECRET):
        body = {"image": image, "mem_size_mb": 0.01}
        reply = ask_of_jobs(guarded, "anna", CACHE + "/jobs/", "POST", body)
        [job] = document(reply, 202)["jobs"]
        ids[image] = job["id"]
    for role in ("helper", "warmer"):
        assert ids[TEAM] in {job["id"] for job in jobs_of(guarded, role)}
        assert {job["image"] for job in jobs_of(guarded, role)} == {TEAM}
        assert ask_of_jobs(guarded, role, f"{CACHE}/jobs/{ids[TEAM]}/").status == 200
        for method in ("GET", "DELETE"):
            refused = [ask_of_jobs(guarded, role, f"{CACHE}/jobs/{i}/", method)
                       for i in (ids[SECRET], 999)]
            assert [r.status for r in refused] == [404, 404]
            assert json.loads(refused[0].body) == {"detail": f"no job has the id {ids[SECRET]}"}
    wait_for_jobs(guarded)
    assert ask_of_jobs(guarded, "anna", f"{CACHE}/jobs/{ids[SECRET]}/").status == 200
    for role in ("ida", "otto", "capped"):
        assert guarded.ask(role, CACHE + "/jobs/").status == 403
        assert guarded.ask(role, f"{CACHE}/jobs/{ids[TEAM]}/").status == 403
    assert ask_of_jobs(guarded, "helper", f"{CACHE}/jobs/{ids[TEAM]}/", "DELETE").status == 204


def test_an_unknown_route_tells_managers_only(guarded):
    for role, status in (("stranger", 401), ("otto", 403), ("ida", 403), ("helper", 404)):
        assert guarded.ask(role, CACHE + "/nothing/", "POST").status == status


# ----- credentials that are not needed ----------------------------------------------------

WRONG = [basic("exact", "exact"), basic("anna", "x"), {"Authorization": "Bearer x"},
         {"Authorization": "Basic !"}]


def asked_from(guarded, address, headers, target):
    params = {"REMOTE_ADDR": address}
    return guarded.live.fcgi.request("GET", target, headers, b"", params=params)


def counted(guarded):
    return [guarded.live.counter(of) for of in ("bad_credentials", "passwords_checked",
                                                "throttled", "forbidden")]


def test_what_is_open_needs_none(guarded):
    """Wrong ones close nothing, and right ones are not hashed."""
    before = counted(guarded)
    for headers in (*WRONG, ROLES["ida"]):
        for name, (template, own) in READS.items():
            if name == "version":
                continue
            reply = asked_from(guarded, "10.1.0.1", headers, fill(template, OPEN))
            assert reply.status == own, (name, headers, reply)
            assert own != 200 or "private" not in reply.headers["cache-control"]
    assert counted(guarded) == before


def test_what_is_not_open_needs_right_ones(guarded):
    """Hidden or not there, they count; the eleventh is not looked at, but what is open is."""
    before = counted(guarded)
    for image, address in ((SECRET, "10.1.0.2"), (MISSING, "10.1.0.3")):
        guesses = [basic("exact", f"{image} {n}") for n in range(12)]  # each is another
        statuses = [asked_from(guarded, address, guess, fill(TILE, image)).status
                    for guess in guesses]
        assert statuses == [401] * 10 + [429] * 2
        assert asked_from(guarded, address, guesses[-1], API + "/").status == 429
        assert asked_from(guarded, address, guesses[-1], fill(TILE, OPEN)).status == 200
    assert counted(guarded)[0] - before[0] == 20, "once a request"
    assert counted(guarded)[3] == before[3]


def test_who_is_refused_is_not_told_how_long_it_took(guarded):
    for role, image, status in (("stranger", SECRET, 401), ("stranger", MISSING, 401),
                                ("otto", SECRET, 404), ("otto", MISSING, 404)):
        reply = guarded.ask(role, fill(TILE, image))
        assert reply.status == status and "server-timing" not in reply.headers, reply
    refused = guarded.ask("otto", CACHE + "/stats/")
    assert refused.status == 403 and "server-timing" not in refused.headers
    for role, image in (("stranger", OPEN), ("anna", SECRET)):
        assert "server-timing" in guarded.ask(role, fill(TILE, image)).headers


# ----- who may keep the answer ------------------------------------------------------------


def test_public_is_what_strangers_may_read(guarded):
    for name, (template, own) in READS.items():
        if own != 200 or name == "version":
            continue
        for role, image, public in (("stranger", OPEN, True), ("anna", OPEN, True),
                                    ("ida", TEAM, False), ("anna", SECRET, False)):
            control = guarded.ask(role, fill(template, image)).headers["cache-control"]
            assert ("private" in control) != public, (name, image, control)
    token = guarded.document("ida", fill(ONE, TEAM))["version"]
    control = guarded.ask("ida", fill(TILE, TEAM) + f"?v={token}").headers["cache-control"]
    assert control == "private, max-age=31536000, immutable"
    token = guarded.document("stranger", fill(ONE, OPEN))["version"]
    control = guarded.ask("stranger", fill(TILE, OPEN) + f"?v={token}").headers["cache-control"]
    assert control == "public, max-age=31536000, immutable"
    for target in (API + "/", CACHE + "/versions/", fill(READS["version"][0], OPEN)):
        assert "private" in guarded.ask("stranger", target).headers["cache-control"]
    assert "private" in guarded.ask("anna", CACHE + "/jobs/").headers["cache-control"]


def test_tags_and_tokens_are_the_same_for_all(guarded):
    """Who asks is no part of what is cached."""
    seen = set()
    for role in ("ida", "anna", "helper", "capped"):
        token = guarded.document(role, fill(ONE, TEAM))["version"]
        reply = guarded.ask(role, fill(TILE, TEAM))
        seen.add((token, reply.headers["etag"], reply.body))
        same = guarded.ask(role, fill(TILE, TEAM),
                           headers={"If-None-Match": reply.headers["etag"]})
        assert same.status == 304
    assert len(seen) == 1
    guarded.live.ctl("invalidate", "acl")
    again = guarded.ask("ida", fill(TILE, TEAM))
    assert again.x_cache == "HIT" and again.headers["etag"] == next(iter(seen))[1]


def test_who_is_refused_leaves_no_trace(guarded):
    """No hit, no miss; but it is counted."""
    guarded.live.ctl("invalidate", "--all")
    before = guarded.live.ctl_json("stats")
    for role in ("stranger", "otto"):
        for template, _ in READS.values():
            for _ in range(3):
                guarded.ask(role, fill(template, SECRET))
    after = guarded.live.ctl_json("stats")
    for cache in before["caches"]:
        for name in ("hits", "misses", "stores"):
            assert after["caches"][cache][name] == before["caches"][cache][name], (cache, name)
    assert after["forbidden"] - before["forbidden"] == 2 * 3 * len(READS)
    assert after["rendered"] == before["rendered"]


def test_who_is_refused_makes_no_version(tmp_path):
    with Guarded(tmp_path) as guarded:
        def made():
            found = guarded.document("anna", CACHE + "/versions/")["versions"]
            return {name for name in found if name.startswith("image/")}

        for role in ("stranger", "otto", "ida", "warmer"):
            for template, _ in READS.values():
                guarded.ask(role, fill(template, SECRET))
        assert made() == set()
        guarded.ask("anna", fill(DZI, SECRET))
        assert made() == {f"image/{SECRET}"}


# ----- what changes ----------------------------------------------------------------------


def statuses(guarded, role, template, image, n=12):
    """Of so many requests that each worker had some."""
    return {guarded.ask(role, fill(template, image)).status for _ in range(n)}


@pytest.fixture
def restored(guarded):
    yield guarded
    guarded.grant(LISTS)


def test_what_is_taken_away_is_gone_at_once(restored):
    warm_all(restored)
    tag = restored.ask("ida", fill(TILE, TEAM)).headers["etag"]
    token = restored.document("ida", fill(ONE, TEAM))["version"]
    for _ in range(5):
        assert statuses(restored, "ida", TILE, TEAM) == {200}
        assert statuses(restored, "stranger", TILE, OPEN) == {200}
        restored.grant(without(0, 1))
        assert statuses(restored, "ida", TILE, TEAM) == {404}
        assert statuses(restored, "ida", TILE + f"?v={token}", TEAM) == {404}
        assert restored.ask("ida", fill(TILE, TEAM), headers={"If-None-Match": tag}).status == 404
        assert statuses(restored, "stranger", TILE, OPEN) == {401}
        assert statuses(restored, "anna", TILE, TEAM) == {200}
        restored.grant(LISTS)


def test_who_leaves_a_group_is_out(restored):
    assert statuses(restored, "ida", DZI, TEAM) == {200}
    restored.grant({**LISTS, "groups": {"team": ["otto", "token:helper"]}})
    assert statuses(restored, "ida", DZI, TEAM) == {404}
    assert statuses(restored, "capped", DZI, TEAM) == {404}
    assert statuses(restored, "otto", DZI, TEAM) == {200}


def test_an_image_that_moves_changes_its_readers(restored):
    """Its folder is what it is in a set by."""
    live = restored.live
    catalogue = live.dir / "state" / "images.json"
    was = catalogue.read_text()
    assert statuses(restored, "stranger", DZI, OPEN) == {200}
    (live.root / "closed").mkdir(exist_ok=True)
    (live.root / "closed" / f"{OPEN}.tiff").write_bytes(
        (live.root / "open" / f"{OPEN}.tiff").read_bytes())
    moved = was.replace(f"open/{OPEN}.tiff", f"closed/{OPEN}.tiff")
    for text, status in ((moved, 401), (was, 200)):
        fresh = catalogue.with_suffix(".test")
        fresh.write_text(text)
        fresh.rename(catalogue)
        assert statuses(restored, "stranger", DZI, OPEN) == {status}


def test_invalidate_acl_drops_what_is_remembered(restored):
    """Nothing of it shows but that all stays right."""
    for _ in range(3):
        assert statuses(restored, "ida", TILE, TEAM) == {200}
        assert statuses(restored, "otto", TILE, TEAM) == {404}
        restored.live.ctl("invalidate", "acl")


def test_without_a_version_of_acl(restored):
    """Stopped: nothing is remembered, all is right."""
    restored.live.ctl("stop", "acl")
    try:
        for template in (TILE, DZI):
            assert statuses(restored, "ida", template, TEAM) == {200}
            assert statuses(restored, "otto", template, TEAM) == {404}
            assert statuses(restored, "stranger", template, OPEN) == {200}
        restored.grant(without(1))
        assert statuses(restored, "ida", TILE, TEAM) == {404}
    finally:
        restored.live.ctl("start", "acl")
    assert statuses(restored, "ida", TILE, TEAM) == {404}


def test_a_wrong_file_closes_everything(restored):
    live = restored.live
    at = len(live.program.output())
    for wrong in ("{", json.dumps({**LISTS, "rulez": []}), None):
        if wrong is None:
            restored.file.unlink()
        else:
            restored.grant(wrong)
        for role in TABLE:
            for target in (fill(TILE, OPEN), fill(TILE, MISSING), API + "/", CACHE + "/jobs/"):
                reply = restored.ask(role, target)
                assert reply.status == 503, (role, target, reply)
                assert json.loads(reply.body) == {"detail": "the access lists cannot be read"}
        assert live.fcgi.get("/healthz").status == 200
    said = live.program.output()[at:]
    for reason in ("line 1, column 1: ", "rulez: there is no such field", "No such file"):
        lines = [x for x in said.splitlines() if f"{restored.file}: {reason}" in x]
        assert 1 <= len(lines) <= live.config["workers"], said
    restored.grant(LISTS)
    assert statuses(restored, "ida", TILE, TEAM) == {200}
    assert statuses(restored, "otto", TILE, TEAM) == {404}


# ----- servers ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", servers.KINDS)
def test_versions_out_of_reach(tmp_path, kind):
    """Decisions need no cache."""
    with servers.KINDS[kind]() as server:
        config = servers.kept(server, versions=server)
        with Guarded(tmp_path, config) as guarded:
            assert statuses(guarded, "ida", TILE, TEAM) == {200}
            server.kill()
            for role, expected in (("ida", 200), ("otto", 404), ("stranger", 401)):
                assert statuses(guarded, role, TILE, TEAM) == {expected}
            assert guarded.ask("ida", fill(TILE, TEAM)).x_cache == "BYPASS"
            guarded.grant(without(1))
            assert statuses(guarded, "ida", TILE, TEAM) == {404}
            server.start()


@pytest.mark.parametrize("kind", servers.KINDS)
def test_a_hit_costs_one_round_trip(tmp_path, kind):
    """Also a 304, and also to be refused."""
    with servers.KINDS[kind]() as server, relay.Relay(server) as wire:
        config = {**servers.kept(wire, versions=wire), "workers": 1}
        with Guarded(tmp_path, config) as guarded:
            tag = [guarded.ask("ida", fill(TILE, TEAM)) for _ in range(3)][0].headers["etag"]
            asked = [("ida", TEAM, {}, 200), ("ida", TEAM, {"If-None-Match": tag}, 304),
                     ("otto", TEAM, {}, 404), ("stranger", TEAM, {}, 401),
                     ("otto", MISSING, {}, 404)]
            for role, image, headers, status in asked:
                before = wire.round_trips
                for _ in range(HITS):
                    reply = guarded.ask(role, fill(TILE, image), headers=headers)
                    assert reply.status == status
                    assert reply.x_cache == ("HIT" if status == 200 else None)
                assert wire.round_trips - before == HITS, (role, image)


# ----- before the start, and on the command line ------------------------------------------


def test_a_wrong_file_is_refused(tmp_path):
    with Guarded(tmp_path) as guarded:
        live = guarded.live
        assert "is right" in live.ctl("acl", "check")
        bad = json.loads(json.dumps(LISTS))
        bad["rules"][1]["who"] = ["group:x"]
        guarded.grant(bad)
        reason = 'rules[1].who[0]: no group is called "x"'
        assert reason in live.run_ctl("acl", "check").stderr
        assert reason in live.run_ctl("acl", "show", "ida").stderr
        [finding] = [f for f in json.loads(live.run_ctl("--json", "doctor").stdout)["findings"]
                     if f["check"] == "access.acl_file"]
        assert finding["result"] == "failure" and reason in finding["finding"]
        argv = [service.BUILD / "slidecached", "--config", live.config_file]
        program = service.Program([*argv, "--check-config"], live.dir / "check.log", live.env)
        assert program.popen.wait(60) == 1 and reason in program.output()
        program.destroy()
        errors = live.counter("reload_errors")
        live.program.popen.send_signal(1)
        service.wait_for(lambda: live.counter("reload_errors") > errors, "the reload is refused")
        assert f"configuration not taken: access.acl_file: {guarded.file}: {reason}" in \
            live.program.output()
        live.stop()
        program = service.Program(argv, live.dir / "start.log", live.env)
        assert program.popen.wait(60) == 1 and reason in program.output()
        program.destroy()
        guarded.grant(LISTS)
        live.start()


def test_the_command_line_shows_it(tmp_path):
    with Guarded(tmp_path) as guarded:
        live = guarded.live
        other = tmp_path / "other.json"
        other.write_text('{"rules": 1}')
        assert f"{other}: rules: wants a list" in live.run_ctl("acl", "check", other).stderr
        assert live.ctl_json("acl", "check") == {"file": str(guarded.file)}
        for role in TABLE:
            who = {"stranger": "strangers"}.get(role, f"token:{role}" if role in CAPS else role)
            shown = live.ctl_json("acl", "show", who)
            readable = {im["id"] for im in shown["images"] if "read" in im["rights"]}
            assert readable == MAY_READ[role], shown
            assert shown["counts"]["read"] == len(readable)
            assert shown["all"] == (["read", "manage", "label"] if role == "anna" else [])
        helper = live.ctl_json("acl", "show", "token:helper")
        assert helper["images"] == [
            {"id": OPEN, "name": f"{OPEN}.tiff", "rights": ["read"]},
            {"id": TEAM, "name": f"{TEAM}.tiff", "rights": ["read", "manage"]},
        ]
        text = live.ctl("acl", "show", "user:ida")
        assert "nothing" in text and re.search(rf"{TEAM} +read +{TEAM}\.tiff", text)
        assert "no token is called" in live.run_ctl("acl", "show", "token:x").stderr
        for wrong in ((), ("show",), ("frob",), ("check", "a", "b"), ("show", "")):
            assert live.run_ctl("acl", *wrong).returncode == 2
        assert live.ctl_json("explain", fill(TILE, OPEN))["readers"].startswith("anybody")
        assert "acl show" in live.ctl_json("explain", fill(TILE, TEAM))["readers"]


# ----- a web server's cache ---------------------------------------------------------------


@pytest.mark.parametrize("server,parts", [("nginx", ("2", "3a")), ("apache", ("4",))])
def test_a_cache_in_front_keeps_nothing_private(tmp_path, server, parts):
    with Guarded(tmp_path, web=server, web_parts=parts) as guarded:
        live = guarded.live

        def ask(role, target):
            return guarded.ask(role, target, client=live.web.http)

        def seen(target):
            return live.program.output().count(f" {target} ")

        token = guarded.document("ida", fill(ONE, TEAM))["version"]
        target = fill(TILE, TEAM) + f"?v={token}"
        for n in range(3):
            assert ask("ida", target).status == 200
            assert seen(target) == n + 1
            assert ask("stranger", fill(TILE, TEAM) + f"?v={token}&s={n}").status == 401
        assert ask("stranger", target).status == 401
        assert ask("otto", target).status == 404
        assert ask("ida", target).status == 200
        token = guarded.document("stranger", fill(ONE, OPEN))["version"]
        target = fill(TILE, OPEN) + f"?v={token}"
        for _ in range(3):
            assert ask("stranger", target).status == 200
        assert seen(target) == 1
