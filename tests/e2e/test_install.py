# SPDX-License-Identifier: MIT
"""make install: what lands below DESTDIR is a service that systemd could start."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from installed import below, install, run_make
from service import BUILD, REPO

UNITS = "lib/systemd/system"


def files_below(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


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
        [below(dest, argv[0]), "--config", below(dest, config), "--check-config",
         "--slides", dest, "--state-dir", dest / "state"],
        capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_root_is_told_what_is_left_to_do(tmp_path):
    """What a package would have done; not where a package, or an image, is made."""
    dry = run_make(["-n", "-o", "all", "-o", "www", "install", f"BUILD={BUILD}", "DESTDIR="])
    (line,) = [line for line in dry.splitlines() if "What is left to do:" in line]
    told = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    if os.geteuid() == 0:
        assert [line.split()[0] for line in told.splitlines()[1:]] == [
            "systemd-sysusers", "systemctl", "install", "slidecachectl", "systemctl"]
    assert "left to do" not in install(tmp_path, "/opt/slidecache")


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


def test_the_files_for_other_servers_are_there(installed):
    """All there are, as they are, and what fills them in."""
    dest, prefix = installed
    papers = below(dest, f"{prefix}/share/doc/slidecache")
    snippets = sorted((REPO / "deploy").glob("*.conf"))
    assert {"lighttpd.conf", "apache.conf", "nginx.conf", "redis.conf", "redis-acl.conf",
            "memcached.conf"} <= {snippet.name for snippet in snippets}
    for snippet in [*snippets, REPO / "deploy" / "slidecache.logrotate"]:
        assert (papers / snippet.name).read_bytes() == snippet.read_bytes()
    assert os.access(below(dest, f"{prefix}/share/slidecache/render"), os.X_OK)


def test_the_manual_is_there(installed):
    """With the places of this installation; that it is right is for tests/lint/man."""
    dest, prefix = installed
    for name in ("slidecached.8", "slidecachectl.1", "make-slide.1", "slidecache.json.5"):
        folder = below(dest, f"{prefix}/share/man/man{name[-1]}")
        assert (folder / name).is_file()
        assert ("/usr/share/" in (folder / name).read_text()) <= (prefix == "/usr")
        done = subprocess.run(["man", "-M", folder.parent, "-w", name[-1], name[:-2]],
                              capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == str(folder / name), done.stderr


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
            re.sub(r"^(Exec\w+=)(/\S+/slidecached)\b", lambda m: f"{m[1]}{below(dest, m[2])}",
                   text, flags=re.M))
    done = subprocess.run(
        [tool, "verify", "--man=no", *map(str, sorted(scratch.iterdir()))],
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{scratch}:{standard}"})
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("systemd, kind, signals", [
    (252, "notify", True), (253, "notify-reload", False), (257, "notify-reload", False)])
def test_a_reload_ends_when_it_is_done(tmp_path, systemd, kind, signals):
    """Where systemd can wait for that; HUP is then its business."""
    tools = fake_tools(tmp_path / "tools", 0)
    tool = tmp_path / "tools" / "systemctl"
    tool.write_text(f"#!/bin/sh\necho 'systemd {systemd} ({systemd}.1-1)'\necho '+PAM'\n")
    tool.chmod(0o755)
    install(tmp_path / "dest", "/usr", "install", tools)
    unit = (tmp_path / "dest" / UNITS / "slidecached.service").read_text()
    assert re.findall(r"^Type=(.*)$", unit, re.M) == [kind]
    assert bool(re.search(r"^ExecReload=.*HUP", unit, re.M)) == signals
    assert "ExecStart=" in unit and "[Install]" in unit


def test_an_uninstallation_leaves_what_was_changed(tmp_path):
    """And what others have put there."""
    dest = tmp_path / "dest"
    install(dest, "/usr/local")
    (dest / "usr/local/bin/other").write_text("")
    (dest / "etc/slidecache/htpasswd").write_text("alice:x\n")
    install(dest, "/usr/local", "uninstall")
    assert files_below(dest) == {"usr/local/bin/other", "etc/slidecache/htpasswd"}
    assert not list(dest.rglob("share/*/slidecache")) and not list(dest.rglob("migrations"))

    install(dest, "/usr/local")
    (dest / "etc/slidecache/slidecache.json").write_text('{"workers": 3}\n')
    install(dest, "/usr/local", "uninstall")
    assert files_below(dest) == {"usr/local/bin/other", "etc/slidecache/htpasswd",
                                 "etc/slidecache/slidecache.json"}


def test_an_uninstallation_of_a_home(tmp_path):
    """Without rights: the system's files, where there are any, are not touched."""
    tools = fake_tools(tmp_path / "tools", 1000)
    install("", tmp_path / "home", "install", tools)
    assert files_below(tmp_path / "home")
    install("", tmp_path / "home", "uninstall", tools)
    assert files_below(tmp_path / "home") == set()


def test_others_can_read_it(tmp_path):
    """Whatever the umask of the one who installs."""
    dest = tmp_path / "dest"
    install(dest, "/usr", umask=0o077)
    modes = {p: p.stat().st_mode for p in dest.rglob("*") if not p.is_symlink()}
    assert modes and all(mode & 0o044 == 0o044 for mode in modes.values())
    assert all(modes[p] & 0o011 == 0o011 for p in modes if p.is_dir())
