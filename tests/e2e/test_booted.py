# SPDX-License-Identifier: MIT
"""The installed units under a real systemd, booted for the tests: booted.py. The program has
there just the rights that the unit leaves it.

Where no systemd can be booted (without root, in containers that may do nothing) there is none
of these tests; test_systemd.py has what is true everywhere."""

import json
import pathlib
import re
import shutil
import time

import pytest

import booted
import fcgi
import service
import slides
from booted import SOCKET, SOCKET_UNIT, UNIT, Booted
from clients import Clients
from manager import scaled
from program import wait_for

LIB = pathlib.Path(booted.__file__).parent
SYSTEMD = LIB.parents[1] / "systemd"
LONG = service.LONG
RESTARTS = 20 if LONG else 3
TILE = "/images/image/{}/1/1/tile_files/9/0_0.jpeg"
ELSEWHERE = "192.0.2.1"
ALLOWED = {
    "write state", "write cache", "write log", "write run", "write tmp", "read slides",
    "read configuration", "read boot id", "idle scheduling", "be nicer", "limit memory",
    "confine calls", "confine files", "connect here", "unix socket", "queue length",
}


__test__ = booted.is_possible()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    files = slides.make_all(tmp_path_factory.mktemp("slides"))
    with Booted(files[:2]) as live:
        live.run("ip", "addr", "add", f"{ELSEWHERE}/32", "dev", "lo")
        live.systemctl("start", SOCKET_UNIT)
        live.systemctl("start", UNIT)
        migrated = live.run("slidecachectl", "migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield live


@pytest.fixture
def live(machine):
    """Running, with nothing but the installed files."""
    machine.systemctl("start", UNIT)
    yield machine
    for name in machine.drop_ins() - {"tests"}:
        machine.remove_drop_in(name)
    machine.write_config({})
    machine.systemctl("restart", UNIT)


def images(live):
    return json.loads(live.fcgi.get("/api/v1/images/images/").body)["results"]


def get_tile(live):
    [first, *_] = wait_for(lambda: images(live), "slides are in the list")
    return live.fcgi.get(TILE.format(first["id"]))


def worker_pids(live):
    found = live.run("pgrep", "-x", service.WORKER_NAME).stdout.split()
    assert found
    return found


def status_of(live, field, pid=None):
    pid = pid or live.show("MainPID")
    text = (live.root / "proc" / pid / "status").read_text()
    return re.search(rf"^{field}:\s*(.*)$", text, re.M)[1]


def are_confined(live):
    units = int(status_of(live, "Seccomp_filters"))
    return all(int(status_of(live, "Seccomp_filters", p)) > units for p in worker_pids(live))


def test_a_tile_is_served_under_the_whole_unit(live):
    assert get_tile(live).status == 200
    reply = wait_for(lambda: (r := get_tile(live)).x_cache == "HIT" and r, "it is in the cache")
    assert reply.status == 200 and reply.body[:2] == b"\xff\xd8"
    assert status_of(live, "Seccomp") == "2" and status_of(live, "NoNewPrivs") == "1"
    assert {int(status_of(live, f"Cap{x}"), 16) for x in ("Prm", "Eff", "Bnd", "Amb")} == {0}
    assert live.show("StatusText") and live.show("NRestarts") == "0"
    assert "error" not in live.log()
    wait_for(lambda: are_confined(live), "each worker has a filter behind the unit's own")


def test_a_cache_outlives_a_restart(live):
    wait_for(lambda: get_tile(live).x_cache == "HIT", "it is in the cache")
    live.systemctl("restart", UNIT)
    assert get_tile(live).x_cache == "HIT"


def test_who_may_connect(live):
    """The web server, by the socket's group and by peer_users; nobody else."""
    shutil.copy(LIB / "fcgi.py", live.root / "srv")
    script = f"import fcgi; print(fcgi.Client('/{SOCKET}').get('/healthz').status)"
    said = {}
    for user, groups in (("www-data", "www-data"), ("nobody", "nogroup"), ("nobody", "www-data")):
        done = live.run("env", "PYTHONPATH=/srv", "setpriv", f"--reuid={user}",
                        f"--regid={groups}", "--clear-groups", "/usr/bin/python3", "-B", "-c",
                        script)
        said[user, groups] = done.stdout.strip() or done.stderr.splitlines()[-1]
    assert said["www-data", "www-data"] == "200"
    assert "Permission denied" in said["nobody", "nogroup"]
    assert "200" not in said["nobody", "www-data"]
    assert "connection refused: user" in live.log()


def test_the_socket_stays_when_the_service_ends(live):
    path = live.root / SOCKET
    before = path.stat()
    live.systemctl("stop", UNIT)
    assert live.show("ExecMainStatus") == "0" and live.show("Result") == "success"
    after = path.stat()
    assert before.st_ino == after.st_ino and after.st_mode & 0o777 == 0o660
    assert live.run("stat", "-c", "%U:%G", f"/{SOCKET}").stdout.strip() == "slidecache:www-data"
    assert live.fcgi.get("/healthz").status == 200, "a client starts it again"
    assert live.show("ActiveState") == "active"


def test_restarts_refuse_nobody(live):
    with Clients(live.fcgi) as clients:
        for _ in range(RESTARTS):
            clients.wait_more()
            live.systemctl("restart", UNIT)
        clients.wait_more()
    assert not clients.bad, clients.bad[:3]


def test_a_reload_is_taken(live):
    pid = live.show("MainPID")
    live.write_config({"base_path": "/slides"})
    with Clients(live.fcgi, target="/api/v1/images/images/", statuses=(200, 404)) as clients:
        clients.wait_more()
        live.systemctl("reload", UNIT)
        wait_for(lambda: live.fcgi.get("/slides/healthz").status == 200, "the new one is taken")
        clients.wait_more()
    assert not clients.bad, clients.bad[:3]
    assert live.show("MainPID") == pid and live.show("ActiveState") == "active"


def test_slides_come_and_are_warmed(live):
    before = len(wait_for(lambda: images(live), "slides are in the list"))
    shutil.copy(live.root / "srv/slides" / "made.tiff", live.root / "srv/slides" / "new.tiff")
    live.systemctl("reload", UNIT)
    wait_for(lambda: len(images(live)) > before, "the new slide is in the list")
    [new] = [image["id"] for image in images(live) if image["filename"] == "new.tiff"]
    done = live.run("slidecachectl", "warm", new)
    assert done.returncode == 0, done.stdout + done.stderr
    assert live.fcgi.get(TILE.format(new)).x_cache == "HIT"


def test_a_bad_file_fails_the_reload(live):
    pid = live.show("MainPID")
    live.config.write_text('{"wokers": 3}')
    live.systemctl("reload", UNIT, code=1)
    assert "wokers" in live.log()
    assert live.show("MainPID") == pid and live.show("ActiveState") == "active"
    assert live.fcgi.get("/healthz").status == 200


def test_a_master_that_hangs_is_replaced(live):
    """Its workers answer until systemd ends them, at most one request of each is lost; then
    the socket keeps who comes."""
    live.add_drop_in("watchdog", f"[Service]\nWatchdogSec={scaled(1)}\n")
    live.systemctl("restart", UNIT)
    pid = live.show("MainPID")
    with Clients(live.fcgi) as clients:
        clients.wait_more()
        live.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)
        wait_for(lambda: live.show("NRestarts") == "1", "systemd starts it again", 30)
        wait_for(lambda: live.show("ActiveState") == "active", "it is ready", 30)
        clients.wait_more()
    assert len(clients.bad) <= len(clients.threads), clients.bad[:9]
    assert not [e for e in clients.bad if str(e).startswith("connect:")], clients.bad
    assert live.show("MainPID") != pid
    live.systemctl("reset-failed", UNIT)


def test_failing_starts_never_close_the_socket(live):
    """systemd's own limit is five starts in ten seconds. Who waits is answered in the end."""
    live.add_drop_in("quick", "[Service]\nRestartSec=1ms\n")
    live.config.write_text("{")
    live.systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
    with fcgi.connect(live.fcgi.address, 30) as early:
        early.sendall(fcgi.encode_request(fcgi.cgi_params("GET", "/healthz", {}, b"")))
        wait_for(lambda: int(live.show("NRestarts")) > 8, "it starts again and again", 30)
        assert live.show("ActiveState", SOCKET_UNIT) == "active"
        live.write_config({})
        assert fcgi.parse_cgi(fcgi.read_reply(early)).status == 200


def probe(live):
    """What a program under the unit's rights may do."""
    shutil.copy(LIB / "sandbox_probe.py", live.root / "srv")
    text = (SYSTEMD / UNIT).read_text()
    command = f"/usr/bin/python3 -B /srv/sandbox_probe.py {ELSEWHERE}"
    text = re.sub(r"^ExecStart=.*", f"ExecStart={command}",
                  text, flags=re.M)
    text = re.sub(r"^Type=.*", "Type=oneshot", text, flags=re.M)
    text = re.sub(r"^(Restart|WatchdogSec|Sockets|Requires|After)=.*\n", "", text, flags=re.M)
    units = live.root / "etc/systemd/system"
    (units / "probe.service").write_text(text + "[Service]\nStandardOutput=file:/run/probe.json\n")
    folder = units / "probe.service.d"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in live.drop_ins() - {"tests"}:
        shutil.copy(units / f"{UNIT}.d" / f"{name}.conf", folder)
    live.systemctl("daemon-reload")
    live.systemctl("start", "probe.service")
    return json.loads((live.root / "run/probe.json").read_text())


def test_rights(live):
    said = probe(live)
    assert {name for name, what in said.items() if what == "ok"} == ALLOWED, said
    assert live.systemctl("is-active", UNIT).strip() == "active"


def test_without_a_network(live):
    live.add_drop_in("unix-only", (SYSTEMD / "unix-only.conf").read_text())
    live.systemctl("restart", UNIT)
    assert get_tile(live).status == 200
    said = probe(live)
    left = ALLOWED - {"connect here", "queue length"}
    assert {name for name, what in said.items() if what == "ok"} == left, said


def test_slides_below_home_want_a_drop_in(live):
    folder = "/" + "/".join(("home", "anna", "slides"))
    home = live.root / folder[1:]
    home.mkdir(parents=True)
    for slide in (live.root / "srv" / "slides").iterdir():
        shutil.copy(slide, home)
    live.write_config({"slides": {"root": folder, "catalogue":
                                  "/var/lib/slidecache/home.json"}})
    live.systemctl("reload", UNIT, code=1)  # it is hidden
    assert get_tile(live).status == 200
    live.add_drop_in("home", f"[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths={folder}\n")
    live.systemctl("restart", UNIT)
    assert get_tile(live).status == 200


def test_it_is_ready_soon(live):
    begun = time.monotonic()
    live.systemctl("restart", UNIT)
    assert time.monotonic() - begun < scaled(5)
