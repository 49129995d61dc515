# SPDX-License-Identifier: MIT
"""Who asks: passwords, tokens, the web server's user, and what each answer is; that a password
is hashed once a minute, whoever of the workers gets the request; tokens that come, go and
expire. Behind lighttpd and spoken to directly."""

import concurrent.futures
import json
import os
import signal
import stat
import subprocess

import pytest

import service
from management import API, Manager, basic, detail, document

# Of twelve rounds: a quarter of a second.
SLOW_HASH = "$2b$12$abcdefghijklmnopqrstuuWJfsWUo68UoZD3csoOGccf20Qj0azVm"
# Of eight: all of those who wait have their turn in time, on a slow machine, too.
MIDDLE_HASH = "$2b$08$abcdefghijklmnopqrstuun1qZoPxexjxOQ1OjMJ7pFVF6zth/Ddu"
FAST_HASH = "$5$rounds=1000$saltsalt$bEm.KDMj7mjB3a7KYfSUdcY0M3GFnizjnnr1JsLe727"
ANNA, SLOW_PASSWORD = basic("anna", "third"), "first"
USERS = f"anna:{FAST_HASH}\nslow:{SLOW_HASH}\nburst:{SLOW_HASH}\nreload:{SLOW_HASH}\n"
WORKERS, REQUESTS = 8, 30
USERS += "".join(f"user{n}:{MIDDLE_HASH}\n" for n in range(1 + WORKERS // 2))

BASIC = 'Basic realm="slidecache", charset="UTF-8"'
BEARER = 'Bearer realm="slidecache"'
BAD = ', error="invalid_token"'
STATS = "/stats/"  # needs the right manage


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def made(live, name, *more, rights="manage"):
    """A token's text."""
    return live.ctl("token", "add", name, "--rights", rights, *more).strip()


def edit(live, change):
    """As an administrator does by hand: a file that is complete."""
    document = json.loads(live.tokens.read_text())
    change({token["name"]: token for token in document["tokens"]})
    new = live.tokens.with_suffix(".mine")
    new.write_text(json.dumps(document))
    os.rename(new, live.tokens)


def start(tmp, access, **options):
    users, tokens = tmp / "users", tmp / "tokens"
    users.write_text(USERS)
    files = {"htpasswd_file": str(users), "tokens_file": str(tokens)}
    access = {name: files.get(name, value) for name, value in access.items()}
    config = {"workers": WORKERS, "access": access, "slides": {"scan": False}}
    live = service.Service(config, **options)
    live.tokens = tokens
    live.kept = {"manager": made(live, "manager"), "reader": made(live, "reader", rights="read")}
    live.kept["old"] = made(live, "old", rights="read,manage,label")
    edit(live, lambda tokens: tokens["old"].update(expires="2026-01-01T00:00:00Z"))
    return live


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    access = {"htpasswd_file": None, "tokens_file": None}
    with start(tmp_path_factory.mktemp("i"), access, web=True) as running:
        yield running


@pytest.fixture(scope="module", params=["lighttpd", "fastcgi"])
def client(request, live):
    return live.web.http if request.param == "lighttpd" else live.fcgi


# ----- what each answer is ---------------------------------------------------------------


def sent(live, what):
    """Headers of a request; "Bearer NAME" with that token."""
    scheme, _, name = what.partition(" ")
    if scheme.lower() == "bearer" and name in live.kept:
        return {"Authorization": f"{scheme} {live.kept[name]}"}
    if scheme == "anna":
        return basic("anna", name)
    return {"Authorization": what} if what else {}


def check_answers(live, client, rows, params=None):
    for what, status, more in rows:
        who = Manager(client, sent(live, what), params).wandering()
        reply = who.get(STATS)
        assert reply.status == status, (what, reply)
        if status == 401:
            assert reply.headers["www-authenticate"] == more, what
        if status == 403:
            assert more in detail(reply, 403)


BOTH = [
    ("", 401, f"{BASIC}, {BEARER}"),
    ("anna third", 200, None),
    ("anna wrong", 401, f"{BASIC}, {BEARER}"),
    ("Bearer manager", 200, None),
    ("bEARER manager", 200, None),
    ("Bearer reader", 403, "reader may not do this"),
    ("Bearer old", 401, f"{BASIC}, {BEARER}{BAD}"),
    ("Bearer sc_no", 401, f"{BASIC}, {BEARER}{BAD}"),
    ("Bearer ", 401, f"{BASIC}, {BEARER}{BAD}"),
    ("Digest username=anna", 401, f"{BASIC}, {BEARER}"),
]


def test_answers(live, client):
    check_answers(live, client, BOTH)


def test_the_web_servers_user_is_nobody_unless_trusted(live):
    params = {"REMOTE_USER": "carla"}
    check_answers(live, live.fcgi, BOTH, params)


def test_an_expired_token_is_called_so(live, client):
    for _ in range(15):  # nobody guesses it: not throttled
        reply = Manager(client, bearer(live.kept["old"])).get(STATS)
        assert detail(reply, 401) == "the token has expired"


def test_only_tokens(tmp_path):
    rows = [
        ("", 401, BEARER),
        ("anna third", 401, BEARER),
        ("Bearer manager", 200, None),
        ("Bearer sc_no", 401, BEARER + BAD),
    ]
    with start(tmp_path, {"tokens_file": None}) as live:
        check_answers(live, live.fcgi, rows)


def test_only_passwords(tmp_path):
    rows = [
        ("", 401, BASIC),
        ("anna third", 200, None),
        ("Bearer manager", 401, BASIC),
    ]
    with start(tmp_path, {"tokens_file": None}) as live:
        users = str(tmp_path / "users")
        live.reconfigure({"access": {"tokens_file": None, "htpasswd_file": users}})
        check_answers(live, live.fcgi, rows)


def test_the_web_servers_user_comes_first(tmp_path):
    known = [(what, 200, None) for what in ("", "anna third", "anna wrong", "Bearer sc_no")]
    nobody = [
        ("", 401, f"{BASIC}, {BEARER}"),
        ("anna third", 401, f"{BASIC}, {BEARER}"),
        ("Bearer manager", 200, None),
    ]
    with start(tmp_path, {"tokens_file": None, "trust_remote_user": True}) as live:
        check_answers(live, live.fcgi, known, {"REMOTE_USER": "carla"})
        check_answers(live, live.fcgi, nobody, {"REMOTE_USER": ""})
        check_answers(live, live.fcgi, nobody, {"REMOTE_USER": None})


def test_changes_are_a_tokens(live, client):
    changed = Manager(client, bearer(live.kept["manager"])).invalidate("tiles")
    assert document(changed)["changed_by"] == "manager (token)"


def test_readers_credentials_are_not_looked_at(live, client):
    """Without an access list."""
    before = live.counter("bad_credentials")
    for what in ("anna wrong", "Bearer sc_no", "Basic !"):
        for _ in range(15):
            reply = client.get(API + "/versions/", sent(live, what))
            assert reply.status == 200
    assert live.counter("bad_credentials") == before


# ----- what is remembered ----------------------------------------------------------------


def hashed(live):
    return live.counter("passwords_checked")


def test_a_password_is_hashed_once(live, client):
    """Whichever worker gets the request."""
    who = Manager(client, basic("slow", SLOW_PASSWORD))
    assert who.get(STATS).status == 200
    before = hashed(live)
    for _ in range(2 * WORKERS):
        assert who.get(STATS).status == 200
    assert hashed(live) == before


def test_a_burst_is_one_hash(live):
    """Nobody is sent away, though the others come while it is looked at."""
    who = Manager(live.fcgi, basic("burst", SLOW_PASSWORD))
    before = hashed(live)
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        replies = list(pool.map(lambda _: who.get(STATS), range(REQUESTS)))
    assert [r.status for r in replies] == [200] * REQUESTS
    assert hashed(live) == before + 1


def test_several_users_at_once(live):
    """One is looked at, and of the others as many may wait as half of the workers."""
    several = [basic(f"user{n}", SLOW_PASSWORD) for n in range(1 + WORKERS // 2)]
    before = hashed(live)
    with concurrent.futures.ThreadPoolExecutor(len(several)) as pool:
        replies = list(pool.map(lambda who: Manager(live.fcgi, who).get(STATS), several))
    assert [r.status for r in replies] == [200] * len(several)
    assert hashed(live) == before + len(several)


def test_a_reload_forgets_nothing(live):
    who = Manager(live.fcgi, basic("reload", SLOW_PASSWORD))
    assert who.get(STATS).status == 200
    before, ready = hashed(live), live.program.output().count("] ready:")
    os.kill(live.program.pid, signal.SIGHUP)
    service.wait_for(
        lambda: live.program.output().count("] ready:") > ready, "the reload's end", 20
    )
    for _ in range(2 * WORKERS):
        assert who.get(STATS).status == 200
    assert hashed(live) == before


# ----- tokens that come and go -----------------------------------------------------------


def test_tokens_come_and_go_with_the_next_request(live, client):
    for _ in range(3):
        who = Manager(client, bearer(made(live, "brief"))).wandering()
        for _ in range(2 * WORKERS):
            assert who.get(STATS).status == 200
        live.ctl("token", "revoke", "brief")
        for _ in range(2 * WORKERS):
            assert detail(who.get(STATS), 401) == "the token is wrong"


def test_a_token_expires(live):
    who = Manager(live.fcgi, bearer(made(live, "mayfly", "--expires", "2s")))
    service.wait_for(lambda: who.get(STATS).status == 401, "its end", 20)
    assert detail(who.get(STATS), 401) == "the token has expired"
    states = {t["name"]: t["expired"] for t in live.ctl_json("token", "list")["tokens"]}
    assert states["mayfly"] and states["old"] and not states["manager"]
    live.ctl("token", "revoke", "mayfly")


def test_a_file_that_is_wrong_admits_no_token(live):
    good = live.tokens.read_text()
    try:
        live.tokens.write_text('{"tokens": [{"name": 7}]}')
        for _ in range(2 * WORKERS):
            said = detail(Manager(live.fcgi, bearer(live.kept["manager"])).get(STATS), 503)
            assert said == "tokens cannot be checked now"
            assert Manager(live.fcgi, ANNA).get(STATS).status == 200
        assert "access.tokens_file: tokens[0].name: " in live.program.output()
    finally:
        live.tokens.write_text(good)
    assert Manager(live.fcgi, bearer(live.kept["manager"])).get(STATS).status == 200


# ----- slidecachectl ---------------------------------------------------------------------


def test_the_token_is_shown_once(live):
    done = live.run_ctl("token", "add", "shown", "--rights", "read,label", "--expires", "90d")
    text = done.stdout.strip()
    assert done.returncode == 0 and len(text) == 46 and text.startswith("sc_")
    assert "not shown again" in done.stderr
    assert text not in live.tokens.read_text() and text not in live.ctl("token", "list")
    [one] = [t for t in live.ctl_json("token", "list")["tokens"] if t["name"] == "shown"]
    assert one["rights"] == ["read", "label"] and one["expires"] > one["created"]
    assert one["created_by"].startswith("slidecachectl (")
    assert set(one) == {"name", "rights", "created", "expires", "expired", "created_by"}
    assert live.ctl_json("token", "revoke", "shown") == {"revoked": "shown"}
    again = live.ctl_json("token", "add", "shown", "--rights", "read")
    assert again["token"] != text and again["expires"] is None
    live.ctl("token", "revoke", "shown")


USAGE = [
    ("token",),
    ("token", "make", "x"),
    ("token", "add"),
    ("token", "add", "x"),
    ("token", "add", "x", "--rights", ""),
    ("token", "add", "x", "--rights", "read,"),
    ("token", "add", "x", "--rights", "write"),
    ("token", "add", "x", "y", "--rights", "read"),
    ("token", "add", "", "--rights", "read"),
    ("token", "add", "x" * 65, "--rights", "read"),
    ("token", "add", "a\nb", "--rights", "read"),
    ("token", "add", "x", "--rights", "read", "--expires", "0d"),
    ("token", "add", "x", "--rights", "read", "--expires", "4000d"),
    ("token", "add", "x", "--rights", "read", "--expires", "soon"),
    ("token", "add", "x", "--rights", "read", "--for", "1d"),
    ("token", "list", "x"),
    ("token", "revoke"),
    ("token", "revoke", "x", "y"),
]


@pytest.mark.parametrize("args", USAGE, ids=" ".join)
def test_usage(live, args):
    before = live.tokens.read_bytes()
    done = live.run_ctl(*args)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert live.tokens.read_bytes() == before


def test_what_fails(live, tmp_path):
    for args in (("add", "manager", "--rights", "read"), ("revoke", "nobody")):
        done = live.run_ctl("token", *args)
        assert (done.returncode, done.stdout) == (1, ""), done
    done = live.run_ctl("--set", "access.tokens_file=null", "token", "list")
    assert done.returncode == 1 and "access.tokens_file" in done.stderr
    bad = tmp_path / "bad"
    bad.write_text('{"tokens": {}}')
    done = live.run_ctl("--set", f"access.tokens_file={bad}", "token", "list")
    assert done.returncode == 1 and "tokens: must be a list" in done.stderr


def test_it_needs_no_state(tmp_path):
    """The first token is made before the service runs."""
    config = tmp_path / "c.json"
    config.write_text(
        json.dumps(
            {
                "state_dir": str(tmp_path / "none"),
                "access": {"tokens_file": str(tmp_path / "tokens")},
            }
        )
    )
    argv = [service.BUILD / "slidecachectl", "--config", config]
    argv += ["token", "add", "x", "--rights", "read"]
    subprocess.run(argv, check=True, capture_output=True)
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o600
    assert not (tmp_path / "none").exists()


def test_a_wrong_file_is_found_before_it_is_used(live, tmp_path):
    bad = tmp_path / "bad"
    for text, place in (('{"tokens": 7}', "tokens: must be a list"), ("{", "line 1")):
        bad.write_text(text)
        argv = [service.BUILD / "slidecached", "--config", live.config_file]
        argv += ["--set", f"access.tokens_file={bad}", "--check-config"]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode != 0, done
        assert f"access.tokens_file: {place}" in done.stdout + done.stderr
    good = live.config_file.read_text()
    try:
        other = service.merge(live.config, {"access": {"tokens_file": str(bad)}})
        live.config_file.write_text(json.dumps(other))
        os.kill(live.program.pid, signal.SIGHUP)
        service.wait_for(lambda: "not taken" in live.program.output(), "a refusal", 20)
    finally:
        live.config_file.write_text(good)
    assert Manager(live.fcgi, bearer(live.kept["manager"])).get(STATS).status == 200


def findings(live):
    done = live.run_ctl("doctor", "--json")
    found = json.loads(done.stdout)["findings"]
    return [f["result"] for f in found if f["check"] == "access.tokens_file"]


def test_the_doctor_looks_at_its_mode(live):
    good = live.tokens.read_text()
    try:
        for mode, result in ((0o600, "ok"), (0o644, "warning"), (0o660, "failure")):
            live.tokens.chmod(mode)
            assert findings(live) == [result]
        live.tokens.chmod(0o600)
        live.tokens.write_text("{")
        assert findings(live) == ["failure"]
        live.tokens.unlink()
        assert findings(live) == ["failure"]
    finally:
        live.tokens.write_text(good)
        live.tokens.chmod(0o600)
