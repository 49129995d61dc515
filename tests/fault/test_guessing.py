# SPDX-License-Identifier: MIT
"""Wrong tokens and passwords, many of them: ten a minute and address are looked at, those who
know theirs come through, and whoever reads tiles does not notice."""

import collections
import concurrent.futures
import itertools
import secrets
import statistics
import threading
import time

import pytest

import fcgi
import service
import tiff
from asking import Asking
from management import PASSWORDS, USERS, Manager, basic, detail

LONG = service.LONG
WORKERS = 4
WRONG = 1_000_000 if LONG else 4000
ROUNDS, EACH = (15, 5000) if LONG else (2, 1000)
GUESSERS = 4  # connections at a time
PER_MINUTE, MINUTE_S = 10, 60
BURST = 60
READERS = 2
TILE = "/images/image/{}/1/1/tile_files/11/{}_{}.jpeg"
STATS = "/stats/"
PLACES = (f"198.51.{n // 250}.{n % 250 + 1}" for n in itertools.count())


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("guess")
    (tmp / "users").write_text(USERS)
    file = tiff.write_noise(tmp / "s.tiff", 1, 1700, 1100)
    files = {"htpasswd_file": str(tmp / "users"), "tokens_file": str(tmp / "tokens")}
    quiet = {"workers": WORKERS, "access": files, "log": {"requests": False}}
    live = service.Service(quiet, files=[file], web=True)
    live.token = live.ctl("token", "add", "nightly", "--rights", "manage").strip()
    with live:
        image = live.image_id("s.tiff")
        targets = [TILE.format(image, c, r) for c in range(6) for r in range(4)]
        live.right = {t: live.fcgi.get(t).body for t in targets}
        yield live


def wrong_token():
    return {"Authorization": "Bearer sc_" + secrets.token_urlsafe(32)}


def from_(live, place, headers):
    return Manager(live.fcgi, headers, {"REMOTE_ADDR": place})


def guess(live, place, headers=None):
    return from_(live, place, wrong_token() if headers is None else headers).get(STATS)


# ----- ten, and no more ------------------------------------------------------------------



def wrong_password():
    return basic("anna", secrets.token_hex(8))


KINDS = [wrong_token, wrong_password, lambda: {"Authorization": "Basic !"}]


@pytest.mark.parametrize("kind", KINDS, ids=["tokens", "passwords", "nonsense"])
def test_ten_wrong_ones(live, kind):
    place = next(PLACES)
    begun = time.monotonic()
    replies = [guess(live, place, kind()) for _ in range(3 * PER_MINUTE)]
    took = time.monotonic() - begun
    assert took < MINUTE_S, "too slow a machine to see one minute's limit"
    assert [r.status for r in replies] == [401] * PER_MINUTE + [429] * (2 * PER_MINUTE)
    for reply in replies[PER_MINUTE:]:
        # What is left of the minute that the first one began.
        assert MINUTE_S - took - 1 <= int(reply.headers["retry-after"]) <= MINUTE_S
        assert "www-authenticate" not in reply.headers
        assert "too many wrong credentials" in detail(reply, 429)


@pytest.mark.parametrize("kind", KINDS[:2], ids=["token", "password"])
def test_the_same_wrong_one_is_one_guess(live, kind):
    """So that who goes on with an old one does not lock out those behind the same address."""
    place, same = next(PLACES), kind()
    begun = time.monotonic()
    for _ in range(3 * PER_MINUTE):
        assert guess(live, place, same).status == 401
    assert time.monotonic() - begun < MINUTE_S, "too slow a machine to see one minute's limit"
    assert guess(live, place).status == 401  # the second one: looked at


def test_who_is_known_comes_through(live):
    place = next(PLACES)
    otto, ida = (basic(name, PASSWORDS[name]) for name in ("otto", "ida"))
    assert guess(live, place, otto).status == 200
    while guess(live, place).status == 401:
        pass
    assert guess(live, place, otto).status == 200  # remembered
    assert guess(live, place, {"Authorization": f"Bearer {live.token}"}).status == 200
    assert guess(live, place, {}).status != 429  # nothing to look at
    checked = live.counter("passwords_checked")
    assert guess(live, place, ida).status == 429  # right, but who knows
    assert live.counter("passwords_checked") == checked
    assert guess(live, next(PLACES), ida).status == 200
    assert guess(live, place, ida).status == 200


def test_other_addresses_have_their_own_ten(live):
    for place in ("2001:db8:9:9::1", next(PLACES)):
        while guess(live, place).status == 401:
            pass
    assert guess(live, "2001:db8:9:9:ffff::2").status == 429  # the same /64
    assert guess(live, "2001:db8:9:a::1").status == 401
    assert guess(live, next(PLACES)).status == 401


def test_a_burst_is_counted_to_the_last(live):
    """Of all workers at once."""
    place = next(PLACES)
    with concurrent.futures.ThreadPoolExecutor(BURST) as pool:
        replies = list(pool.map(lambda _: guess(live, place), range(BURST)))
    counts = collections.Counter(r.status for r in replies)
    assert counts == {401: PER_MINUTE, 429: BURST - PER_MINUTE}


def test_it_is_told_and_counted(live):
    place = next(PLACES)
    names = ("bad_credentials", "throttled")
    before = [live.counter(name) for name in names]
    begun = time.monotonic()
    for _ in range(3 * PER_MINUTE):
        guess(live, place, basic("anna", f"SECRET{secrets.token_hex(8)}"))
    seconds = time.monotonic() - begun
    assert [live.counter(n) - b for n, b in zip(names, before)] == [PER_MINUTE, 2 * PER_MINUTE]
    log = live.program.output()
    lines = [line for line in log.splitlines() if f"from {place}:" in line and "access:" in line]
    assert 1 <= len(lines) <= seconds + 2  # one a second, and both ends
    assert f"access: wrong credentials from {place}: user anna" in lines[0]
    assert "SECRET" not in log


def test_through_a_web_server(live):
    """By the address that it says, which no header changes."""
    live.web.http.source = "127.7.7.7"
    try:
        for n in range(2 * PER_MINUTE):
            forged = {"X-Forwarded-For": next(PLACES), **wrong_token()}
            reply = Manager(live.web.http, forged).get(STATS)
            assert reply.status == (401 if n < PER_MINUTE else 429)
        assert 1 <= int(reply.headers["retry-after"]) <= MINUTE_S
    finally:
        live.web.http.source = "127.0.0.1"


# ----- many ------------------------------------------------------------------------------


class Guesser:
    """Sends so many wrong tokens from one address, or so many requests with these headers,
    over some connections at a time."""

    def __init__(self, live, place, total, headers=None):
        self.live, self.place, self.left, self.headers = live, place, total, headers
        self.counts, self.lock = collections.Counter(), threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(GUESSERS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            thread.join()

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def run(self):
        while self.take():
            try:
                what = guess(self.live, self.place, self.headers).status
            except (fcgi.Gone, OSError):
                what = "lost"
            with self.lock:
                self.counts[what] += 1


def p99_ms(answers):
    times = sorted(a.seconds for a in answers)
    return 1000 * times[int(0.99 * len(times))]


def read_beside(live, guesser):
    """Tiles, while somebody guesses: all of them come, and are right."""
    with Asking(live.web.http.get, live.right, READERS) as asking, guesser:
        pass
    answers = asking.all()
    counts = collections.Counter(a.what for a in answers)
    assert set(counts) == {"good"}, counts
    return p99_ms(answers)


def test_many_wrong_tokens(live):
    """Ten are looked at each minute, and no tile is lost. What it costs others, beside as many
    requests without credentials, in turns, is told."""
    place, counts, ratios = next(PLACES), collections.Counter(), []
    begun = time.monotonic()
    for _ in range(ROUNDS):
        guesser = Guesser(live, place, EACH)
        p99 = read_beside(live, guesser)
        ratios.append(p99 / read_beside(live, Guesser(live, place, EACH, {})))
        counts += guesser.counts
    rest = Guesser(live, place, WRONG - ROUNDS * EACH)
    read_beside(live, rest)
    counts += rest.counts
    seconds = time.monotonic() - begun
    assert set(counts) <= {401, 429} and sum(counts.values()) == WRONG, counts
    minutes = 1 + int(seconds // MINUTE_S)
    assert PER_MINUTE <= counts[401] <= PER_MINUTE * (minutes + 1), counts
    print(
        f"{WRONG} wrong tokens in {seconds:.1f} s: {dict(counts)}; tiles' p99 beside them to that "
        f"beside strangers: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}..{max(ratios):.2f}, {ROUNDS} rounds)"
    )
    if LONG:  # when the minute is over, ten more are looked at
        left = int(guess(live, place).headers.get("retry-after", 0))
        service.wait_for(lambda: guess(live, place).status == 401, "the next minute", left + 10)
