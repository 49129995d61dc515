# SPDX-License-Identifier: MIT
"""deploy/run, what "make run" runs: the service that it starts is the one that the line
"manage:" is about, whatever the folder of the slides is called."""

import json
import os
import pathlib
import signal
import stat
import subprocess

import pytest

import rawhttp
import service
import tiff
from management import USERS, Manager, document
from service import BUILD, REPO, SLOW, Program, wait_for

NAMES = ["plain", "two words", 'a "b" \\ c\'d', "$x `y` & ä*", "tab\there"]


class Run:
    """deploy/run with a build folder of its own, of links to what is built."""

    def __init__(self, folder, slides, **variables):
        self.build = folder / "build"
        self.build.mkdir()
        for name in ("slidecached", "slidecachectl", "make-slide", "www"):
            (self.build / name).symlink_to(BUILD / name)
        self.config = self.build / "run" / "slidecache.json"
        self.port = service.free_port()
        env = {"BUILD": self.build, "SLIDES": slides, "PORT": self.port, **variables}
        if SLOW > 1:
            env.update(service.sanitizer_environment(folder / "reports"))
        self.program = Program(
            [REPO / "deploy" / "run"], folder / "run.log", {k: str(v) for k, v in env.items()})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                assert self.program.end(signal.SIGTERM, 30) == 0, self.program.output()
        finally:
            self.program.destroy()

    def said(self, what):
        lines = [line for line in self.program.output().splitlines() if line.startswith(what)]
        assert lines or self.program.exit_code() is None, self.program.output()
        return lines[0].removeprefix(what).strip() if lines else None

    def manage(self, arguments):
        """As a person does: the printed line, copied into a shell."""
        command = wait_for(lambda: self.said("manage:"), "manage:", 30)
        done = subprocess.run(["bash", "-c", f"{command} {arguments}"],
                              capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == 0, (command, done)
        return done.stdout


@pytest.fixture
def slides(tmp_path, request):
    folder = tmp_path / getattr(request, "param", "slides")
    folder.mkdir()
    tiff.write_noise(folder / "noise.tiff", 1)
    return folder


def program_lines(run):
    """/proc/ID/cmdline of what the script has started."""
    found = []
    for pid in service.child_pids(run.program.pid):
        found.append(pathlib.Path(f"/proc/{pid}/cmdline"))
    return found


def test_manage_is_about_this_service(tmp_path, slides):
    """Another backend than the usual one, which a configuration of its own would have."""
    with Run(tmp_path, slides, BACKEND="memcached", LOCATION="unix:/nonexistent/m") as run:
        route = "/images/image/1/1/1/tile_files/10/0_0.jpeg"
        wait_for(lambda: "noise.tiff" in run.manage("images list"), "the slide is found")
        told = json.loads(run.manage(f"--json explain {route}"))
        assert "tiles_cache (memcached)" in told["cache"], told
        config = json.loads(run.config.read_text())
        assert config["caches"]["default"] == config["caches"]["tiles_cache"] == {
            "backend": "memcached", "location": "unix:/nonexistent/m"}
        assert stat.S_IMODE(os.stat(run.config).st_mode) == 0o600
        argv = [p.read_bytes() for p in program_lines(run)]
        assert argv and all(b"nonexistent" not in line for line in argv), "locations may be secret"


def test_it_caches_at_once_and_takes_migrations(tmp_path, slides):
    with Run(tmp_path, slides) as run:
        assert "[X] 0001_initial" in run.manage("showmigrations")
        file = run.build / "run" / "migrations" / "0002_reports.json"
        file.write_text('{"operations": [{"StartCacheVersioning": "reports"}]}')
        assert "Applying site.0002_reports... OK" in run.manage("migrate")
        assert "reports" in json.loads(run.manage("--json versions"))


def test_users_may_manage_over_http(tmp_path, slides):
    """Those of HTPASSWD; its path may be one from here, and hold spaces."""
    users = tmp_path / "who may"
    users.write_text(USERS)
    with Run(tmp_path, slides, HTPASSWD=os.path.relpath(users)) as run:
        wait_for(lambda: run.said("manage:"), "manage:", 30)
        config = json.loads(run.config.read_text())
        assert config["access"]["htpasswd_file"] == str(users)
        client = rawhttp.Client(run.port)
        assert document(Manager(client).invalidate("tiles"))["changed_by"] == "anna (http)"
        assert Manager(client, headers={}).invalidate("tiles").status == 401


def test_nobody_may_manage_over_http_unless_told(tmp_path, slides):
    with Run(tmp_path, slides) as run:
        wait_for(lambda: run.said("manage:"), "manage:", 30)
        assert Manager(rawhttp.Client(run.port)).invalidate("tiles").status == 403


def test_a_wrong_file_of_users_ends_it(tmp_path, slides):
    run = Run(tmp_path, slides, HTPASSWD=tmp_path / "missing")
    try:
        wait_for(lambda: run.program.exit_code() is not None, "the end", 30)
        assert run.program.exit_code() == 1
        assert f"HTPASSWD={tmp_path / 'missing'} is no file" in run.program.output()
    finally:
        run.program.destroy()


@pytest.mark.parametrize("slides", NAMES[:-1], indirect=True, ids=range(len(NAMES) - 1))
def test_odd_folder_names(tmp_path, slides):
    with Run(tmp_path, slides) as run:
        wait_for(lambda: "noise.tiff" in run.manage("images list"), "the slide is found")
        assert json.loads(run.config.read_text())["slides"]["root"] == str(slides)


@pytest.mark.parametrize("slides", NAMES[-1:], indirect=True, ids=["tab"])
def test_a_control_byte_is_refused_with_its_option(tmp_path, slides):
    run = Run(tmp_path, slides)
    try:
        wait_for(lambda: run.program.exit_code() is not None, "the end", 30)
        assert run.program.exit_code() == 1
        assert "slides.root: has a control byte" in run.program.output()
        assert json.loads(run.config.read_text())["slides"]["root"] == str(slides)
    finally:
        run.program.destroy()


def test_a_wrong_place_ends_it(tmp_path, slides):
    run = Run(tmp_path, slides, BACKEND="redis", LOCATION="http://user:SECRET@host")
    try:
        wait_for(lambda: run.program.exit_code() is not None, "the end", 30)
        assert run.program.exit_code() == 1
        assert "caches.default.location: " in run.program.output()
        assert "SECRET" not in run.program.output()
    finally:
        run.program.destroy()
