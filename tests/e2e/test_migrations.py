# SPDX-License-Identifier: MIT
"""Which caches are versioned, from the command line and at the start of the service:
migrate, showmigrations, start, stop, versions, invalidate."""

import concurrent.futures
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import time

import pytest

import servers
import service
import tiff
from service import wait_for

INITIAL = "slidecache.0001_initial"
NAMES = ["tiles", "thumbnails", "slides", "acl"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
APPLIED = rf" \(applied at {TIME} by [^)]+\)\)?"
HELD = r"\([1-9]\d{0,3} KiB\)"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("slides") / "s.tiff", 1, 600, 400)


class Site(service.Service):
    """A service with migrations of its site."""

    def put(self, name, operations=(), dependencies=(["slidecache", "0001_initial"],)):
        document = {"dependencies": list(dependencies),
                    "operations": [{op: cache} for op, cache in operations]}
        return self.put_text(name, json.dumps(document))

    def put_text(self, name, text):
        path = self.dir / "migrations" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f".{path.name}")  # nobody reads half of it
        whole.write_text(text)
        whole.replace(path)
        return path

    def log(self):
        return (self.dir / "slidecached.log").read_text()

    def lines(self, what):
        return [line for line in self.log().splitlines() if what in line]

    def wait_for_upkeep(self, runs=3):
        """The only task where slides are not scanned."""
        seen = set()

        def have_run():
            seen.update(self.children_called(service.TASK_NAME))
            return len(seen) >= runs

        wait_for(have_run, "upkeep runs", 60, pause_s=0.001)

    def versions(self):
        """Of names: images have theirs from when they are first looked at."""
        return {name: version for name, version in self.ctl_json("versions").items()
                if not name.startswith("image/")}

    def applied(self):
        return [f"{m['app']}.{m['name']}" for m in self.ctl_json("showmigrations")
                if m["applied"]]

    def x_cache(self):
        reply = self.tile(1, 9)
        assert reply.status == 200, reply
        return reply.x_cache


def start(name):
    return ("StartCacheVersioning", name)


def stop(name):
    return ("StopCacheVersioning", name)


@pytest.fixture
def site(file):
    """Nothing is applied yet."""
    with Site({"migrate_on_start": False}, files=[file]) as live:
        live.image_id("s.tiff")
        yield live


# The service.


def test_nothing_is_cached_until_migrations_are_applied(site):
    (line,) = site.lines("not applied")
    assert INITIAL in line and "slidecachectl migrate" in line
    assert "until then nothing is cached" in line and " warning " in line
    assert [site.x_cache() for _ in range(2)] == ["BYPASS"] * 2
    site.ctl("migrate")
    assert [site.x_cache() for _ in range(3)] == ["MISS", "HIT", "HIT"]
    site.ctl("migrate", "zero")
    assert site.x_cache() == "BYPASS"
    site.ctl("migrate")
    assert [site.x_cache() for _ in range(2)] == ["MISS", "HIT"], "another version"


def test_applied_at_the_start(file):
    live = Site(files=[file])
    live.put("0002_reports.json", [start("reports")])
    with live:
        live.image_id("s.tiff")
        assert [live.x_cache() for _ in range(2)] == ["MISS", "HIT"]
        assert len(live.lines(f"migration {INITIAL} applied")) == 1
        assert len(live.lines("migration site.0002_reports applied")) == 1
        assert live.applied() == [INITIAL, "site.0002_reports"]
        assert {*NAMES, "reports"} <= set(live.versions())
        assert "slidecached (" in live.versions()["reports"]["changed_by"]
        live.restart()
        assert live.x_cache() == "HIT"
        assert len(live.lines("applied")) == 2 and not live.lines("not applied")


def test_what_is_dropped_in_later_is_not_applied_by_itself():
    """But named, once, though it is looked at again and again."""
    with Site({"slides": {"scan": False, "scan_interval_s": 1}}) as live:
        live.put("0002_reports.json", [start("reports")])
        wait_for(lambda: live.lines("not applied: site.0002_reports;"), "it is named", 20)
        assert "the caches that they start are not used" in live.lines("not applied")[0]
        live.wait_for_upkeep()
        path = live.put_text("0003_bad.json", "{")
        wait_for(lambda: live.lines(str(path)), "the bad one is named", 20)
        live.wait_for_upkeep()
        live.put("0004_more.json")
        path.unlink()
        wait_for(lambda: live.lines("0002_reports, site.0004_more;"), "both are named", 20)
        for what in ("not applied: site.0002_reports;", str(path)):
            assert len(live.lines(what)) == 1, live.log()
        assert live.applied() == [INITIAL]


@pytest.mark.parametrize("name, text, why", [
    ("0002_bad.json", "{\n \"operations\": [\n}", "line 3, column 1: "),
    ("0002_bad.json", "{\"operations\": [{\"DropCache\": \"x\"}]}", "unknown operation \"DropCache\""),
    ("0002_bad.json", "{\"operations\": [{\"StartCacheVersioning\": \"tiles\"}]}", "started already"),
    ("0002_bad.json", "{\"dependencies\": [[\"site\", \"0001_no\"]]}", "which is not there"),
    ("0002_bad.json", "{\"dependencies\": [[\"site\", \"0002_bad\"]]}", "lead back to it"),
    ("bad.json", "{}", "not named as a migration"),
])
def test_bad_files(file, name, text, why):
    """The service goes on; nothing is applied; all who are asked say file and reason."""
    live = Site(files=[file])
    path = live.put_text(name, text)
    with live:
        live.image_id("s.tiff")
        (line,) = live.lines(" migrations: ")
        assert " error " in line and f"{path}: " in line and why in line
        assert line.endswith("; until that is mended no migration can be applied")
        assert live.x_cache() == "BYPASS"
        for command in ("migrate", "showmigrations"):
            done = live.run_ctl(command)
            assert done.returncode == 1 and not done.stdout
            assert f"{path}: " in done.stderr and why in done.stderr
        argv = [service.BUILD / "slidecached", "--config", live.config_file, "--check-config"]
        done = subprocess.run(argv, capture_output=True, text=True, env=live.env, check=False)
        assert done.returncode == 1
        assert f"{path}: " in done.stderr and why in done.stderr


def test_applied_as_soon_as_the_file_is_mended(file):
    live = Site({"slides": {"scan_interval_s": 1}}, files=[file])
    path = live.put_text("0002_reports.json", "{")
    with live:
        live.image_id("s.tiff")
        assert live.lines(str(path)) and live.x_cache() == "BYPASS"
        live.put("0002_reports.json", [start("reports")])
        wait_for(lambda: live.lines("0002_reports applied"), "it is applied", 20)
        assert live.x_cache() == "MISS"


@pytest.mark.parametrize("kind", sorted(servers.KINDS))
@pytest.mark.parametrize("scan", [True, False])
def test_a_store_that_is_away_at_the_start(file, kind, scan):
    with servers.KINDS[kind]() as server:
        server.kill()
        config = servers.kept(versions=server)
        config["slides"] = {"scan": scan, "scan_interval_s": 1}
        with Site(config, files=[file]) as live:
            live.ctl("images", "scan")
            (line,) = live.lines("migrations are looked at when it can be read")
            assert " warning " in line and live.x_cache() == "BYPASS"
            if not scan:
                live.wait_for_upkeep()
            server.start()
            wait_for(lambda: live.lines(f"{INITIAL} applied"), "they are applied", 20)
            wait_for(lambda: live.x_cache() != "BYPASS", "the workers ask again", 20)
            assert live.x_cache() == "HIT"
            assert len(live.lines("migrations are looked at")) == 1


# The commands.


def test_what_migrate_prints(site):
    site.put("0002_reports.json", [start("reports"), start("drafts")])
    site.put("acme/0001_more.json", [stop("drafts")], [["site", "0002_reports"]])
    plan = ("Planned operations:\n"
            "slidecache.0001_initial\n"
            + "".join(f"    StartCacheVersioning {name}\n" for name in NAMES) +
            "site.0002_reports\n"
            "    StartCacheVersioning reports\n"
            "    StartCacheVersioning drafts\n"
            "acme.0001_more\n"
            "    StopCacheVersioning drafts\n")
    assert site.ctl("migrate", "--plan") == plan
    assert site.applied() == [] and site.versions() == {}
    assert site.ctl("migrate") == ("Operations to perform:\n"
                                   "  Apply all migrations\n"
                                   "Running migrations:\n"
                                   "  Applying slidecache.0001_initial... OK\n"
                                   "  Applying site.0002_reports... OK\n"
                                   "  Applying acme.0001_more... OK\n")
    assert sorted(site.versions()) == sorted([*NAMES, "reports"])
    assert site.ctl("migrate") == ("Operations to perform:\n"
                                   "  Apply all migrations\n"
                                   "Running migrations:\n"
                                   "  No migrations to apply.\n")
    assert site.ctl("migrate", "--plan") == ("Planned operations:\n"
                                             "  No planned migration operations.\n")
    assert site.ctl("migrate", "site.zero", "--plan") == (
        "Planned operations:\n"
        "acme.0001_more (to be unapplied)\n"
        "    StartCacheVersioning drafts\n"
        "site.0002_reports (to be unapplied)\n"
        "    StopCacheVersioning drafts\n"
        "    StopCacheVersioning reports\n")
    assert site.ctl("migrate", "site.zero") == (
        "Operations to perform:\n"
        "  Target specific migration: site.zero\n"
        "Running migrations:\n"
        "  Unapplying acme.0001_more... OK\n"
        "  Unapplying site.0002_reports... OK\n")
    assert site.ctl("migrate", "zero").startswith("Operations to perform:\n"
                                                  "  Unapply all migrations\n")
    assert site.versions() == {}


def test_showmigrations(site):
    site.put("0002_reports.json", [start("reports")])
    gone = site.put("0003_gone.json")
    site.put("acme/0001_more.json")
    assert site.ctl("showmigrations") == ("slidecache\n [ ] 0001_initial\n"
                                          "acme\n [ ] 0001_more\n"
                                          "site\n [ ] 0002_reports\n [ ] 0003_gone\n")
    site.ctl("migrate", "0003")
    gone.unlink()
    lines = site.ctl("showmigrations").splitlines()
    for line, want in zip(lines, (
            "slidecache", r" \[X\] 0001_initial" + APPLIED,
            "acme", r" \[ \] 0001_more",
            "site", r" \[X\] 0002_reports" + APPLIED,
            r" \[X\] 0003_gone" + APPLIED + r" \(not among the files here\)"), strict=True):
        assert re.fullmatch(want, line), (want, line)
    assert "by slidecachectl (" in lines[1]
    states = site.ctl_json("showmigrations")
    assert [(m["name"], m["known"], m["applied"]) for m in states] == [
        ("0001_initial", True, True), ("0001_more", True, False),
        ("0002_reports", True, True), ("0003_gone", False, True)]
    assert "applied_at" not in states[1] and re.fullmatch(TIME, states[0]["applied_at"])
    site.ctl("migrate", "zero")
    assert site.applied() == ["site.0003_gone"], "records of no known migration are left alone"


def test_what_a_target_leaves_applied_is_told(site):
    """Its file is missing, or it is a program's own."""
    gone = site.put("0002_reports.json", [start("reports")])
    left = "  site.0002_reports is left applied: it is not among the files here\n"
    assert left not in site.ctl("migrate") + site.ctl("migrate", "0001", "--plan")
    gone.unlink()
    assert left not in site.ctl("migrate"), "nothing was to be reversed"
    for args in (["zero", "--plan"], ["zero"], ["zero"], ["slidecache.0001"]):
        assert site.ctl("migrate", *args).endswith("\n" + left), args
    assert site.ctl_json("migrate", "zero")["left"] == ["site.0002_reports"]
    assert site.applied() == ["site.0002_reports"] and list(site.versions()) == ["reports"]


def test_migrate_in_json(site):
    site.put("0002_reports.json", [start("reports")])
    plan = site.ctl_json("migrate", "0002", "--plan")
    assert plan["left"] == []
    assert plan["steps"][1] == {"app": "site", "name": "0002_reports", "reverse": False,
                       "operations": [{"StartCacheVersioning": "reports"}]}
    assert site.ctl_json("migrate", "0002") == plan
    (step,) = site.ctl_json("migrate", "site.zero")["steps"]
    assert step["reverse"] and step["operations"] == [{"StopCacheVersioning": "reports"}]
    assert site.ctl_json("migrate", "zero", "--plan")["steps"][0]["name"] == "0001_initial"
    site.ctl("migrate")
    assert site.ctl_json("migrate") == {"steps": [], "left": []}


@pytest.mark.parametrize("code, args, why", [
    (1, ["migrate", "0007"], "there is no migration \"0007\""),
    (1, ["migrate", "acme.zero"], "no migration is of the app \"acme\""),
    (2, ["migrate", "000"], "may be slidecache.0001_initial or site.0002_reports"),
    (2, ["migrate", "--fake"], "unknown option --fake"),
    (2, ["migrate", "site", "zero"], "too many arguments: zero"),
    (2, ["showmigrations", "site"], "too many arguments"),
    (2, ["start"], "an argument is missing"),
    (2, ["start", "--all"], "unknown option --all"),
    (2, ["start", "Reports"], "only a-z"),
    (2, ["start", "image/7"], "image/7"),
    (2, ["stop", "--image", "1"], "unknown option --image"),
    (1, ["start", "more", "tiles"], "tiles"),
    (1, ["stop", "tiles", "more"], "\"more\"; slidecachectl versions lists them"),
    (1, ["invalidate", "tiles", "more"], "\"more\"; slidecachectl versions lists them"),
    (1, ["invalidate", "tiles", "image/9999"], "no image has the id 9999"),
    (1, ["invalidate", "image/07"], "no versioned cache \"image/07\""),
    (2, ["invalidate", "--all", "tiles"], "--all takes no names"),
    (2, ["invalidate", "--image", "1", "--all"], "--all takes no names"),
    (2, ["invalidate", "Tiles"], "only a-z"),
    (2, ["invalidate", "--image", "x"], "--image wants an id"),
    (1, ["invalidate", "--image", "999"], "no image has the id 999"),
])
def test_exit_codes(site, code, args, why):
    site.put("0002_reports.json", [start("reports")])
    site.ctl("migrate")
    before = site.versions()
    done = site.run_ctl(*args)
    assert done.returncode == code, done
    assert why in done.stderr and not done.stdout
    assert site.versions() == before, "all or nothing"


def test_by_hand(site):
    site.put("0002_reports.json", [start("reports")])
    assert site.ctl("start", "reports", "drafts") == (
        "Started versioning of reports.\nStarted versioning of drafts.\n")
    done = site.run_ctl("migrate")
    assert done.returncode == 1 and "slidecachectl stop reports, then migrate" in done.stderr
    assert site.applied() == [] and sorted(site.versions()) == ["drafts", "reports"]
    assert site.ctl("stop", "reports") == "Stopped versioning of reports.\n"
    site.ctl("migrate")
    assert list(site.ctl_json("start", "more")["more"])[:2] == ["version", "changed_at"]
    assert site.ctl_json("stop", "more", "drafts") == ["more", "drafts"]
    site.ctl("stop", "reports")
    done = site.run_ctl("migrate", "zero")
    assert done.returncode == 1 and "slidecachectl start reports, then migrate" in done.stderr
    assert len(site.applied()) == 2


def test_without_any_versioned_cache(site):
    """An image's version is no sign that one was started."""
    for _ in range(2):
        done = site.run_ctl("versions")
        assert done.returncode == 0
        assert "no cache is versioned yet: slidecachectl migrate" in done.stderr
        done = site.run_ctl("invalidate", "tiles")
        assert done.returncode == 1
        assert "\"tiles\"; slidecachectl migrate starts them" in done.stderr
        site.ctl("invalidate", "image/1")
    assert set(site.ctl_json("versions")) == {"image/1"}
    site.ctl("migrate")
    assert site.run_ctl("versions").stderr == ""


def test_doubles_are_named_once(site):
    assert site.ctl("start", "a", "b", "a") == (
        "Started versioning of a.\nStarted versioning of b.\n")
    assert site.ctl("invalidate", "a", "image/1", "a", "--image", "1", "b") == (
        "Invalidated a.\nInvalidated image/1.\nInvalidated b.\n")
    assert site.ctl("--json", "invalidate", "a", "a").count("\"a\"") == 1
    assert site.ctl("stop", "a", "a") == "Stopped versioning of a.\n"


def test_images_without_a_catalogue(tmp_path):
    """A program names its images as it likes; who says --image means the service's."""
    def invalidate(*args):
        argv = [service.BUILD / "slidecachectl", "--state-dir", tmp_path, "invalidate", *args]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    assert invalidate("image/7").stdout == "Invalidated image/7.\n"
    done = invalidate("--image", "7")
    assert done.returncode == 1 and "no image has the id 7" in done.stderr


@pytest.mark.parametrize("command, usage", [
    ("images", "list | scan"), ("versions", "versions\n"), ("invalidate", "NAME... | --image ID"),
    ("invalidateversionedcaches", "all versioned caches"), ("start", "NAME..."),
    ("stop", "NAME..."), ("migrate", "[--plan]"), ("showmigrations", "applied"),
    ("explain", "URL"), ("stats", "counters"), ("doctor", "wrong")])
def test_help_of_a_command(command, usage):
    """Wherever it stands, and though there is no state at all."""
    for args in (["--help"], ["x", "--json", "--help"]):
        argv = [service.BUILD / "slidecachectl", "--state-dir", "/nonexistent", command, *args]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: slidecachectl [OPTION...] {command}")
        assert usage in done.stdout and 5 <= len(done.stdout.splitlines()) <= 8


def test_help_of_no_command():
    done = subprocess.run([service.BUILD / "slidecachectl", "paint", "--help"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "unknown command paint" in done.stderr


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_another_user_is_told_whom_to_be(mode):
    """Root looks as a user who may not; others look at a folder of root's."""
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        program = shutil.copy(service.BUILD / "slidecachectl", place)
        state, fix = "/root", "belongs to root: run this as root\n"
        who = {}
        if os.geteuid() == 0:
            nobody, daemon = (pwd.getpwnam(user).pw_uid for user in ("nobody", "daemon"))
            state, fix = place / "state", "belongs to daemon: run this as root or as daemon\n"
            state.mkdir()
            state.chmod(mode)
            os.chown(state, daemon, -1)
            subprocess.run([program, "--state-dir", state, "migrate"], check=True,
                           stdout=subprocess.DEVNULL)
            who = {"user": nobody, "group": nobody, "extra_groups": []}
        for command in (["versions"], ["invalidate", "tiles"], ["migrate"]):
            argv = [program, "--state-dir", state, *command]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, **who)
            assert done.returncode == 1
            assert done.stderr == f"slidecachectl: state_dir {state} {fix}"


def test_what_an_invalidation_leaves_behind(site):
    site.ctl("migrate")
    assert site.ctl("invalidate", "tiles", "acl") == "Invalidated tiles.\nInvalidated acl.\n"
    assert "left behind" not in site.ctl("versions")
    for column in range(3):
        assert site.tile(1, 10, column).x_cache == "MISS"
    told = site.ctl("invalidate", "acl", "tiles")
    assert re.fullmatch(r"Invalidated acl\.\nInvalidated tiles\.\nLeft behind by the change: "
                        rf"3 entries {HELD}\.\n", told), told
    rows = {line.split()[0]: line for line in site.ctl("versions").splitlines()}
    assert re.search(rf"3 entries {HELD} left behind by the change$", rows["tiles"]), rows
    assert "left behind" not in rows["slides"]
    listed = site.versions()
    assert listed["tiles"]["orphaned_entries"] == 3 and listed["tiles"]["orphaned_bytes"] > 0
    assert listed["slides"]["orphaned_entries"] == 0
    assert site.tile(1, 10).x_cache == "MISS"
    told = site.ctl("invalidate", "--image", "1")
    assert re.fullmatch(r"Invalidated image/1\.\nLeft behind by the change: "
                        rf"1 entry {HELD}\.\n", told), told
    stats = site.ctl_json("stats")
    assert stats["orphaned_entries"] == 4 and stats["orphaned_bytes"] > 0
    assert re.search(r"^orphaned_entries +4$", site.ctl("stats"), re.M)


def test_what_is_left_behind_together_is_told_once(site):
    """An entry has a version of its kind and one of its image; it is counted with one."""
    site.ctl("migrate")
    for args in (["tiles", "--image", "1"], ["image/1", "tiles"]):
        for column in range(2):
            assert site.tile(1, 10, column).x_cache == "MISS"
        lines = site.ctl("invalidate", *args).splitlines()
        assert len(lines) == 3
        assert re.fullmatch(rf"Left behind by the change: 2 entries {HELD}\.", lines[2]), lines


def test_what_is_small_is_told_in_bytes(site):
    site.ctl("migrate")
    reply = site.fcgi.get("/images/image/1/1/1/tile/")
    assert reply.x_cache == "MISS" and len(reply.body) < 900
    told = site.ctl("invalidate", "slides")
    assert re.search(r"^Left behind by the change: 1 entry \(\d{3} bytes\)\.$", told, re.M), told


def test_what_is_left_behind_by_a_change_of_all(site):
    site.ctl("migrate")
    assert site.ctl("invalidate", "--all") == "Invalidated all versioned caches.\n"
    nothing = {"all": True, "orphaned_entries": 0, "orphaned_bytes": 0}
    assert site.ctl_json("invalidate", "--all") == nothing
    for column in range(2):
        assert site.tile(1, 10, column).x_cache == "MISS"
    site.ctl("invalidate", "tiles")
    assert site.x_cache() == "MISS"
    told = site.ctl("invalidate", "--all")
    assert re.fullmatch(r"Invalidated all versioned caches\.\nLeft behind by the change: "
                        rf"1 entry {HELD}\.\n", told), "not what was so before: " + told
    assert site.x_cache() == "MISS"
    told = site.ctl_json("invalidate", "--all")
    assert told.pop("orphaned_bytes") > 0
    assert told == {"all": True, "orphaned_entries": 1}


def test_versions_say_when_and_by_whom(site):
    site.ctl("migrate")
    before = time.time()
    site.ctl("invalidate", "tiles")
    row = next(r for r in site.ctl("versions").splitlines() if r.startswith("tiles "))
    assert re.fullmatch(rf"tiles +[A-Za-z0-9]{{8}}  {TIME}  slidecachectl \(.+\)", row)
    told = site.ctl_json("invalidate", "tiles")
    assert told == {"tiles": site.versions()["tiles"]}
    assert set(told["tiles"]) == {"version", "changed_at", "changed_by", "orphaned_entries",
                                  "orphaned_bytes"}
    assert re.fullmatch(TIME, told["tiles"]["changed_at"])
    assert told["tiles"]["changed_at"][:10] == time.strftime("%Y-%m-%d", time.gmtime(before))


def test_invalidateversionedcaches_prints_exactly_this(site):
    site.ctl("migrate")
    site.x_cache()
    done = site.run_ctl("invalidateversionedcaches")
    assert (done.stdout, done.stderr) == ("Invalidated all versioned caches.\n", "")
    assert site.ctl_json("invalidateversionedcaches")["all"] is True
    assert site.x_cache() == "MISS"


def test_doctor(site, tmp_path):
    def finding():
        done = site.run_ctl("--json", "doctor")
        (found,) = [f for f in json.loads(done.stdout)["findings"]
                    if f["check"] == "migrations_dir"]
        return found

    for n in range(2, 5):
        site.put(f"000{n}_x.json")
    found = finding()
    assert found["result"] == "warning" and found["fix"] == "slidecachectl migrate"
    assert found["finding"] == ("not applied: slidecache.0001_initial, site.0002_x, "
                                "site.0003_x and 1 more")
    site.ctl("migrate")
    assert finding()["finding"] == "all are applied: 4"
    path = site.put_text("0005_x.json", "[]")
    found = finding()
    assert found["result"] == "failure" and found["fix"]
    assert found["finding"] == f"{path}: not a JSON object"


# Two hosts, one store.


@pytest.mark.parametrize("kind", sorted(servers.KINDS))
def test_two_hosts(file, kind):
    with servers.KINDS[kind]() as server:
        config = {**servers.kept(versions=server), "migrate_on_start": False}
        config["versions"]["timeout_ms"] = 5000  # commands on a busy machine
        with Site(config, files=[file]) as one, Site(config, files=[file]) as two:
            for live in (one, two):
                live.image_id("s.tiff")
                live.put("0002_reports.json", [start("reports")])
                assert live.x_cache() == "BYPASS"
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                for target in (["migrate"], ["migrate", "zero"], ["migrate"]):
                    jobs = [pool.submit(live.ctl_json, *target) for live in (one, two)]
                    steps = sum((job.result()["steps"] for job in jobs), [])
                    assert sorted(s["name"] for s in steps) == ["0001_initial", "0002_reports"]
            assert one.versions() == two.versions()
            assert one.ctl_json("showmigrations") == two.ctl_json("showmigrations")
            for live in (one, two):
                assert [live.x_cache() for _ in range(2)] == ["MISS", "HIT"]


def test_two_hosts_start_at_once(file):
    with servers.Redis() as server:
        config = servers.kept(versions=server)
        config["versions"]["timeout_ms"] = 5000
        lives = [Site(config, files=[file]) for _ in range(3)]
        for live in lives:
            live.put("0002_reports.json", [start("reports")])
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda live: live.__enter__(), lives))
        try:
            assert all(not live.lines(" error ") for live in lives)
            assert sum(len(live.lines("0002_reports applied")) for live in lives) == 1
            assert len({json.dumps(live.versions()) for live in lives}) == 1
        finally:
            for live in lives:
                live.__exit__(None, None, None)


def test_what_root_makes_is_the_services():
    """The option user says whose, also where root owns the folders."""
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        top = pathlib.Path(name)
        top.chmod(0o755)
        for folder in ("state", "cache", "slides"):
            (top / folder).mkdir()
            (top / folder).chmod(0o770)
            os.chown(top / folder, 0, nobody.pw_gid)
        config = top / "config.json"
        config.write_text(json.dumps({
            "user": "nobody", "state_dir": str(top / "state"), "cache_dir": str(top / "cache"),
            "slides": {"root": str(top / "slides")}}))
        subprocess.run([service.BUILD / "slidecachectl", "--config", config, "migrate"],
                       check=True, capture_output=True, timeout=60 * service.SLOW)
        made = [p for folder in ("state", "cache") for p in (top / folder).rglob("*")]
        assert made and {p.stat().st_uid for p in made} == {nobody.pw_uid}
