# SPDX-License-Identifier: MIT
"""make install: what lands below DESTDIR is a service that systemd could start."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from installed import below, install
from service import REPO

UNITS = "lib/systemd/system"


@pytest.fixture(scope="module", params=["/usr/local", "/usr", "/opt/slidecache"])
def installed(request, tmp_path_factory):
    dest = tmp_path_factory.mktemp("dest")
    install(dest, request.param)
    return dest, request.param


def commands(dest):
    text = (dest / UNITS / "slidecached.service").read_text()
    return [line.split() for line in re.findall(r"^ExecStart=(.*)$", text, re.M)]


def test_the_programs_that_units_start_are_there(installed):
    dest, prefix = installed
    (argv,) = commands(dest)
    assert argv[0] == f"{prefix}/sbin/slidecached"
    assert os.access(below(dest, argv[0]), os.X_OK)
    for name in ("slidecachectl", "make-slide"):
        assert os.access(below(dest, f"{prefix}/bin/{name}"), os.X_OK)


def test_the_installed_configuration_passes(installed):
    dest, _ = installed
    (argv,) = commands(dest)
    config = argv[argv.index("--config") + 1]
    done = subprocess.run(
        [below(dest, argv[0]), "--config", below(dest, config), "--check-config"],
        capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_changed_configuration_is_kept(installed):
    dest, prefix = installed
    config = dest / "etc/slidecache/slidecache.json"
    before = config.read_text()
    config.write_text('{"workers": 3}\n')
    install(dest, prefix)
    assert config.read_text() == '{"workers": 3}\n'
    config.write_text(before)


def test_a_folder_for_migrations_is_there(installed):
    """Empty, where the program looks: what a site puts into it is its own."""
    dest, prefix = installed
    config = json.loads((REPO / "deploy" / "slidecache.json").read_text())
    folder = below(dest, config["migrations_dir"])
    assert list(folder.iterdir()) == []
    (folder / "0002_reports.json").write_text("{}")
    install(dest, prefix)
    assert [f.name for f in folder.iterdir()] == ["0002_reports.json"]
    (folder / "0002_reports.json").unlink()


def test_pages_and_papers_are_there(installed):
    dest, prefix = installed
    share = below(dest, f"{prefix}/share")
    for name in ("slidecache/www/index.html", "slidecache/www/viewer.html",
                 "slidecache/www/static", "doc/slidecache/README.md", "doc/slidecache/LICENSE"):
        assert (share / name).exists(), name
    unit = (dest / UNITS / "slidecached.service").read_text()
    (page,) = re.findall(r"^Documentation=file:(.*)$", unit, re.M)
    assert below(dest, page).exists()


def test_the_files_for_cache_servers_are_there(installed):
    dest, prefix = installed
    papers = below(dest, f"{prefix}/share/doc/slidecache")
    for name in ("lighttpd.conf", "redis.conf", "redis-acl.conf", "memcached.conf"):
        assert (papers / name).read_bytes() == (REPO / "deploy" / name).read_bytes()


def test_the_library_is_there(installed):
    dest, prefix = installed
    lib = below(dest, f"{prefix}/lib")
    assert os.readlink(lib / "libslidecache.so") == "libslidecache.so.1"
    for name in ("libslidecache.so.1", "libslidecache.a"):
        assert (lib / name).is_file(), name
    text = (lib / "pkgconfig" / "slidecache.pc").read_text()
    assert "@" not in text
    assert f"prefix={prefix}\n" in text and f"libdir={prefix}/lib\n" in text
    assert (below(dest, f"{prefix}/include/slidecache") / "cache.h").is_file()


def fake_tools(folder, uid):
    """An "id" that says this user, and an "ldconfig" that says that it ran."""
    folder.mkdir()
    for name, line in (("id", f"echo {uid}"), ("ldconfig", f"echo ran >> {folder}/ran")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("uid, staged, runs", [(0, False, True), (0, True, False),
                                               (1000, False, False)])
def test_the_linker_is_told_of_the_library(tmp_path, uid, staged, runs):
    """By root, and not while a package is made."""
    home = tmp_path / "home"
    env = fake_tools(tmp_path / "tools", uid)
    install(tmp_path / "dest" if staged else "", home, "install-lib", env)
    place = below(tmp_path / "dest", home) if staged else home
    assert (place / "lib" / "libslidecache.so.1").is_file()
    assert (tmp_path / "tools" / "ran").exists() == runs


def test_a_home_needs_no_rights(tmp_path):
    """Programs and pages are installed; what lies outside of it is left alone."""
    system = [pathlib.Path("/") / UNITS / "slidecached.service",
              pathlib.Path("/etc/slidecache/slidecache.json")]
    before = [p.stat().st_mtime_ns if p.exists() else None for p in system]
    install("", tmp_path / "home", "install", fake_tools(tmp_path / "tools", 1000))
    for name in ("bin/slidecachectl", "sbin/slidecached", "lib/libslidecache.so",
                 "share/slidecache/www/index.html"):
        assert (tmp_path / "home" / name).exists(), name
    assert [p.stat().st_mtime_ns if p.exists() else None for p in system] == before


def test_the_user_of_the_units_is_made(installed):
    dest, _ = installed
    lines = (dest / "usr/lib/sysusers.d/slidecache.conf").read_text().splitlines()
    made = {line.split()[1] for line in lines if line.startswith("u ")}
    for unit in ("slidecached.service", "slidecached.socket"):
        text = (dest / UNITS / unit).read_text()
        assert set(re.findall(r"^(?:Socket)?User=(.*)$", text, re.M)) == made == {"slidecache"}


def test_the_service_pulls_its_socket_in(installed):
    dest, _ = installed
    text = (dest / UNITS / "slidecached.service").read_text()
    for line in ("Requires=slidecached.socket", "Sockets=slidecached.socket",
                 "Also=slidecached.socket"):
        assert line in text.splitlines()
    assert re.search(r"^After=.*\bslidecached\.socket\b", text, re.M)


def test_systemd_has_nothing_to_say(installed):
    """Where there is a systemd to ask: it looks for the programs below the root, too."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        return
    dest, _ = installed
    root = below(dest, "/")
    standard = pathlib.Path("/lib/systemd/system")
    scratch = dest.parent / (dest.name + "-verify")
    scratch.mkdir()
    for unit in ("slidecached.service", "slidecached.socket"):
        text = (root / UNITS / unit).read_text()
        (scratch / unit).write_text(
            re.sub(r"^ExecStart=(/\S+)", lambda m: f"ExecStart={below(dest, m[1])}", text,
                   flags=re.M))
    done = subprocess.run(
        [tool, "verify", "--man=no", *map(str, sorted(scratch.iterdir()))],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{scratch}:{standard}"})
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
