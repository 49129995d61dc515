# SPDX-License-Identifier: MIT
"""make deb: what is in the package, and what an administrator sees of it from the
installation to the purge, on a copy of this machine that goes away (lib/isolated.py)."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

import installed
import rawhttp
import slides
from isolated import Isolated
from service import BUILD, REPO, SLOW, free_port, wait_for

VERSION = re.search(r"^VERSION := (\S+)$", (REPO / "Makefile").read_text(), re.M)[1]
CONFIG = "/etc/slidecache/slidecache.json"
SOCKET = "/run/slidecache/slidecached.sock"
UNITS = ("slidecached.socket", "slidecached.service")
# What dpkg and the tools that it runs keep for themselves.
BOOKS = re.compile(r"/var/lib/dpkg(/|$)|/var/log/|/var/cache/(man|ldconfig|debconf)"
                   r"|/etc/ld\.so\.cache$|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$"
                   r"|/etc/\.pwd\.lock$")


def make_package():
    quick = {"DPKG_DEB_COMPRESSOR_TYPE": "gzip", "DPKG_DEB_COMPRESSOR_LEVEL": "1"}
    installed.run_make(["-o", "all", "-o", "www", "deb-only", f"BUILD={BUILD}"], quick)
    (found,) = BUILD.glob(f"slidecache_{VERSION}_*.deb")
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return shutil.copy(make_package(), tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    tell("dpkg-deb", "-R", package, folder)
    return folder


def tell(*argv):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True,
                          timeout=60).stdout


# ----- what is in it -----------------------------------------------------------------------


def floors():
    text = (REPO / "src" / "ctl" / "doctor_packages.c").read_text()
    rows = re.findall(r'\{ \{ "([^"]+)"[^}]*\},\s*"([^"]+)",', text)
    assert len(rows) == 3
    return {f"{name} (>= {version})" for name, version in rows}


def test_it_depends_on_what_is_safe(package):
    """On the least versions that doctor asks for, too, and on nothing Debian does not have."""
    depends = set(tell("dpkg-deb", "-f", package, "Depends").strip().split(", "))
    assert floors() <= depends
    for one in depends:
        name = one.split()[0]
        assert tell("dpkg-query", "-Wf", "${db:Status-Status}", name) == "installed", one


def test_the_same_files_make_the_same_package(package):
    again = make_package()
    assert again.read_bytes() == open(package, "rb").read()


def test_what_is_below_etc_is_the_administrators(unpacked):
    files = {f"/{p.relative_to(unpacked)}" for p in (unpacked / "etc").rglob("*") if p.is_file()}
    assert files == set((unpacked / "DEBIAN" / "conffiles").read_text().split()) == {CONFIG}
    config = json.loads((unpacked / CONFIG[1:]).read_text())
    assert (config["user"], config["log"]["requests"]) == ("slidecache", False)


def test_everything_has_its_place(package, unpacked):
    paths = {f"/{p.relative_to(unpacked)}" for p in unpacked.rglob("*") if not p.is_dir()}
    lib = f"/usr/lib/{tell('dpkg-architecture', '-qDEB_HOST_MULTIARCH').strip()}"
    for path in ("/usr/sbin/slidecached", "/usr/bin/slidecachectl", f"{lib}/libslidecache.so.1",
                 f"{lib}/libslidecache.a", f"{lib}/pkgconfig/slidecache.pc",
                 "/usr/include/slidecache/cache.h", "/usr/share/man/man8/slidecached.8.gz",
                 "/usr/share/man/man1/slidecachectl.1.gz", "/usr/share/slidecache/www/index.html",
                 "/usr/share/man/man5/slidecache.json.5.gz", "/usr/share/slidecache/render",
                 "/usr/share/doc/slidecache/copyright", "/usr/share/doc/slidecache/README.md",
                 "/usr/share/doc/slidecache/lighttpd.conf",
                 *(f"/lib/systemd/system/{unit}" for unit in UNITS)):
        assert path in paths, path
    owners = {line.split()[1] for line in tell("dpkg-deb", "-c", package).splitlines()}
    assert owners == {"root/root"}
    assert not {p.split("/")[1] for p in paths} - {"DEBIAN", "etc", "lib", "usr"}


def test_the_sums_are_right(unpacked):
    lines = (unpacked / "DEBIAN" / "md5sums").read_text().splitlines()
    for line in lines:
        digest, name = line.split("  ", 1)
        assert hashlib.md5((unpacked / name).read_bytes()).hexdigest() == digest
    assert len(lines) == sum(p.is_file() and not p.is_symlink() and "DEBIAN" not in p.parts
                             for p in unpacked.rglob("*"))


def test_programs_are_hardened(unpacked):
    """strip can lose what the linker was told."""
    for name in ("usr/sbin/slidecached", "usr/bin/slidecachectl"):
        headers = tell("readelf", "-lW", unpacked / name)
        assert "GNU_RELRO" in headers and " DYN " in tell("readelf", "-hW", unpacked / name)
        assert ".debug_info" not in tell("readelf", "-SW", unpacked / name)


# ----- installed ---------------------------------------------------------------------------


class Machine(Isolated):
    """With the package, a slide, and a lighttpd with the packaged snippet."""

    def forget_earlier(self):
        """Whatever the machine has of an earlier installation."""
        self.run("dpkg", "--purge", "slidecache", code=None)
        self.run("userdel", "slidecache", code=None)
        self.run("rm", "-rf", "/etc/slidecache", "/var/lib/slidecache", "/var/cache/slidecache",
                 "/srv/slides")
        # An index of all manuals after each installation, a second each time.
        self.run("rm", "-f", "/var/lib/man-db/auto-update")

    def dpkg(self, package):
        name = f"/run/{os.path.basename(package)}"
        self.put(name, open(package, "rb").read())
        text = self.run("dpkg", "-i", name)
        assert "slidecache:" not in text, text  # our scripts' complaints
        return text

    def serve_slides(self, file):
        """As an administrator: his slides are elsewhere, and he restarts."""
        self.put(f"/data/slides/{file.name}", file.read_bytes())
        config = json.loads(self.read(CONFIG))
        config["slides"]["root"] = "/data/slides"
        self.put(CONFIG, json.dumps(config, indent=1).encode())
        self.run("systemctl", "restart", "slidecached.service")

    def start_lighttpd(self):
        self.run("install", "-d", "-o", "www-data", "/run/web")
        port = free_port()
        values = {"BIND": "127.0.0.1", "PORT": port, "SOCKET": SOCKET, "RUN": "/run/web",
                  "WWW": "/usr/share/slidecache/www", "BASE": ""}
        conf = self.run("/usr/share/slidecache/render", "/usr/share/doc/slidecache/lighttpd.conf",
                        *(f"{name}={value}" for name, value in values.items()))
        self.put("/run/web.conf", conf.encode())
        self.start("/run/web.log", "www-data", "lighttpd", "-D", "-f", "/run/web.conf")
        web = rawhttp.Client(port, 30 * SLOW)
        wait_for(lambda: answers(web), "lighttpd answers")
        return web

    def master(self):
        return self.units()["slidecached.service"]["pid"]


def answers(web):
    try:
        return web.get("/healthz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def machine(package, tmp_path_factory):
    with Machine() as here:
        here.forget_earlier()
        here.dpkg(package)
        here.first = here.units()
        here.serve_slides(slides.make_slide(tmp_path_factory.mktemp("slide")))
        here.web = here.start_lighttpd()
        yield here


def test_it_runs_when_it_is_installed(machine):
    """Without a word of the administrator: enabled, started, as its own user."""
    assert machine.first["slidecached.service"]["pid"]
    assert machine.first["slidecached.socket"]["inode"]
    for unit in UNITS:
        assert machine.run("systemctl", "is-enabled", unit) == "enabled\n"
    status = machine.read(f"/proc/{machine.master()}/status")
    uid = machine.run("id", "-u", "slidecache").strip()
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", status, re.M)
    assert "slidecached" in machine.processes_of("slidecache")


def test_a_tile_behind_the_packaged_snippet(machine):
    (image,) = json.loads(machine.web.get("/api/v1/images/images/").body)["results"]
    tile = f"/images/image/{image['id']}/1/1/tile_files/10/0_0.jpeg"
    first, second = machine.web.get(tile), machine.web.get(tile)
    assert (first.status, second.status) == (200, 200)
    # Its migrations are applied, or nothing would have been stored.
    assert second.headers["x-cache"] == "HIT" and second.body == first.body
    page = machine.web.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_its_tools_find_nothing_wrong(machine):
    assert "[X] 0001_initial" in machine.run("slidecachectl", "showmigrations")
    machine.run("slidecachectl", "doctor")
    machine.run("slidecached", "--check-config")


def test_its_pages_can_be_read(machine):
    for page in ("slidecached.8", "slidecachectl.1", "slidecache.json.5"):
        name, section = page.rsplit(".", 1)
        assert name in machine.run("man", "-P", "cat", section, name)


def test_a_reload(machine):
    before = machine.master()
    machine.run("systemctl", "reload", "slidecached.service")
    wait_for(lambda: answers(machine.web), "it answers")
    assert machine.master() == before


def next_version(package, folder):
    """The same files as a later version."""
    tell("dpkg-deb", "-R", package, folder / "root")
    control = folder / "root" / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(f"Version: {VERSION}\n", "Version: 99.1\n"))
    tell("dpkg-deb", "--root-owner-group", "-Znone", "--build", folder / "root", folder)
    (found,) = folder.glob("*.deb")
    return found


class Viewers:
    """Threads that ask for tiles all the time; what was not the right answer is kept."""

    def __init__(self, web, tiles):
        self.web = web
        self.tiles = {tile: web.get(tile).body for tile in tiles}
        self.stop = threading.Event()
        self.answers, self.wrong = [], []
        self.threads = [threading.Thread(target=self.ask) for _ in range(4)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: len(self.answers) > 20, "viewers get answers")
        return self

    def __exit__(self, *_):
        seen = len(self.answers)
        wait_for(lambda: len(self.answers) > seen + 20, "viewers get answers")
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def ask(self):
        while not self.stop.is_set():
            for tile, body in self.tiles.items():
                try:
                    reply = self.web.get(tile)
                    right = reply.status == 200 and reply.body == body
                    (self.answers if right else self.wrong).append((time.monotonic(), tile))
                except Exception as e:  # refused, cut, late: all the same to a viewer
                    self.wrong.append((time.monotonic(), repr(e)))


def test_an_upgrade_under_load(machine, package, tmp_path):
    """No request fails: the socket stays, and requests wait in its queue."""
    (image,) = json.loads(machine.web.get("/api/v1/images/images/").body)["results"]
    base = f"/images/image/{image['id']}/1/1/tile_files"
    later = next_version(package, tmp_path)
    config, before = machine.read(CONFIG), machine.units()
    with Viewers(machine.web, [f"{base}/{n}/0_0.jpeg" for n in range(8, 12)]) as viewers:
        machine.dpkg(later)
    assert viewers.wrong == []
    after = machine.units()
    assert after["slidecached.socket"] == before["slidecached.socket"]
    assert after["slidecached.service"]["pid"] != before["slidecached.service"]["pid"]
    assert set(after["slidecached.service"]["exit_codes"]) == {0}
    assert machine.read(CONFIG) == config
    assert machine.run("dpkg-query", "-Wf", "${Version}", "slidecache") == "99.1"


def test_an_upgrade_with_a_bad_file(machine, package, tmp_path):
    """What runs goes on: the package is there, and says what is to be done."""
    config, before = machine.read(CONFIG), machine.master()
    machine.put(CONFIG, b'{"workers": "many"}')
    machine.put("/run/later.deb", next_version(package, tmp_path).read_bytes())
    said = machine.run("dpkg", "-i", "/run/later.deb")
    assert "slidecache.json:1: workers" in said and "is not (re)started" in said
    assert machine.master() == before and answers(machine.web)
    machine.put(CONFIG, config.encode())


def test_an_upgrade_while_the_slides_are_away(machine, package, tmp_path):
    """A folder that no new worker could read: the old ones stay."""
    before = machine.master()
    machine.run("mv", "/data/slides", "/data/away")
    machine.put("/run/later.deb", next_version(package, tmp_path).read_bytes())
    said = machine.run("dpkg", "-i", "/run/later.deb")
    machine.run("mv", "/data/away", "/data/slides")
    assert "slides.root: /data/slides: No such file" in said and "is not (re)started" in said
    assert machine.master() == before and answers(machine.web)


def test_an_upgrade_without_the_versions_server(machine, package, tmp_path):
    """That is away: nothing to stop dpkg for."""
    config = machine.read(CONFIG)
    away = {"backend": "redis", "location": f"redis://127.0.0.1:{free_port()}/0"}
    machine.put(CONFIG, json.dumps({**json.loads(config), "versions": away}).encode())
    machine.put("/run/later.deb", next_version(package, tmp_path).read_bytes())
    before = machine.master()
    assert "run: slidecachectl migrate" in machine.run("dpkg", "-i", "/run/later.deb")
    assert machine.master() != before and answers(machine.web)
    machine.put(CONFIG, config.encode())


def test_a_unit_that_was_disabled_stays_so(machine, package, tmp_path):
    """An upgrade does not enable, nor start, what the administrator has switched off."""
    for unit in UNITS:
        machine.run("systemctl", "disable", unit)
    machine.run("systemctl", "stop", *UNITS)
    machine.dpkg(next_version(package, tmp_path))
    for unit in UNITS:
        assert machine.run("systemctl", "is-enabled", unit, code=1) == "disabled\n"
    assert machine.master() is None


def test_nothing_is_left(package):
    """Removed, it leaves configuration and state; purged, nothing at all."""
    with Machine() as here:
        here.forget_earlier()
        before = here.changes()
        here.dpkg(package)
        here.put("/etc/slidecache/htpasswd", b"alice:x\n", 0o640)
        here.run("dpkg", "--remove", "slidecache")
        kept = here.changes()
        assert here.units()["slidecached.service"]["exit_codes"] == [0]
        assert here.processes_of("slidecache") == []
        assert {CONFIG, "/etc/slidecache/htpasswd", "/var/lib/slidecache/versions"} <= set(kept)
        assert not [p for p in kept if p.startswith("/usr/") and p not in before]
        here.run("dpkg", "--purge", "slidecache")
        after = here.changes()
        left = {p for p in after if after[p] != before.get(p) and not BOOKS.match(p)}
        assert left == set()
        assert "no such user" in here.run("id", "slidecache", code=1)
        here.run("test", "!", "-e", "/run/slidecache")
