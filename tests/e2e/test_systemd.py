# SPDX-License-Identifier: MIT
"""The units in systemd's eyes, and the program in the hands of a service manager: the stand-in
of manager.py. test_booted.py has the real one."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import fcgi
import tiff
from clients import Clients
from installed import install
from manager import Managed, command, read_unit, scaled
from service import REPO, Program, Service, wait_for

STANDARD_UNITS = "/lib/systemd/system"
UNITS = ("slidecached.service", "slidecached.socket")
EXPOSURE_MAX = 1.2
EXPOSURE_WITHOUT_NETWORK_MAX = 0.5
RESTARTS = 2


# ---- the units ----


@pytest.fixture
def units(tmp_path):
    """A folder with the installed units, which name a program that is there."""
    install(tmp_path / "dest", "/usr", "install-system")
    folder = tmp_path / "units"
    folder.mkdir()
    for name in UNITS:
        text = (tmp_path / "dest/lib/systemd/system" / name).read_text()
        (folder / name).write_text(re.sub("=/usr/sbin/slidecached", "=/bin/true", text))
    return folder


def analyze(units, *args):
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:{STANDARD_UNITS}"}
    return subprocess.run(["systemd-analyze", *args], env=env, cwd=units, capture_output=True,
                          text=True, timeout=60, check=False)


def add_drop_in(units, source):
    folder = units / "slidecached.service.d"
    folder.mkdir()
    shutil.copy(source, folder)


def exposure(units):
    done = analyze(units, "security", "--offline=yes", "--no-pager", UNITS[0])
    [figure] = re.findall(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
    return float(figure)


def test_systemd_finds_no_fault(units):
    done = analyze(units, "verify", "--man=no", *UNITS)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_exposure(units):
    assert exposure(units) <= EXPOSURE_MAX


def test_exposure_without_a_network(units):
    add_drop_in(units, REPO / "systemd" / "unix-only.conf")
    done = analyze(units, "verify", "--man=no", *UNITS)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert exposure(units) <= EXPOSURE_WITHOUT_NETWORK_MAX


def test_a_reload_is_known_to_newer_systemds(tmp_path):
    """make install asks which one there is; a stand-in says so."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for version, kind, sends in (("252", "notify", True), ("253", "notify-reload", False),
                                 ("257", "notify-reload", False)):
        (tools / "systemctl").write_text(f"#!/bin/sh\necho 'systemd {version} ({version}.1)'\n")
        (tools / "systemctl").chmod(0o755)
        dest = tmp_path / version
        install(dest, "/usr", "install-system", {"PATH": f"{tools}:{os.environ['PATH']}"})
        lines = (dest / "lib/systemd/system" / UNITS[0]).read_text().splitlines()
        assert [x for x in lines if x.startswith("Type=")] == [f"Type={kind}"]
        assert ("ExecReload=/bin/kill -HUP $MAINPID" in lines) == sends
        assert sum(x.startswith("ExecReload=") for x in lines) == 1 + sends


def test_the_unit_leaves_time_to_drain():
    unit = read_unit(UNITS[0])
    assert int(unit["TimeoutStopSec"][0]) > 10 and unit["KillMode"] == ["mixed"]


def test_no_limit_closes_the_socket():
    service, sockets = map(read_unit, UNITS)
    assert service["StartLimitIntervalSec"] == sockets["TriggerLimitIntervalSec"] == ["0"]
    assert sockets["Backlog"] == ["4096"]


# ---- what the program says ----


@pytest.mark.parametrize("notify", ["path", "@"])
def test_ready_is_said_when_workers_serve(notify):
    with Managed(notify=notify) as live:
        ready = live.notify.wait(READY="1")
        assert live.worker_pids()
        assert ready.fields["MAINPID"] == str(live.program.pid)
        assert ready.fields["STATUS"]
        assert live.fcgi.get("/healthz").status == 200
        assert "READY" in live.notify.heard[0].fields


def test_a_failed_start_is_never_ready():
    idle = Managed({"slides": {"root": "/nonexistent"}})
    try:
        program = idle.spawn()
        wait_for(lambda: program.exit_code() is not None, "it ends", 60)
        assert program.exit_code() == 1, program.output()
        assert not idle.notify.said(READY="1")
    finally:
        idle.destroy()


def test_only_the_master_speaks():
    """NotifyAccess=main: systemd takes nothing from others."""
    with Managed(watchdog_s=scaled(0.4)) as live:
        os.kill(live.worker_pids()[0], signal.SIGKILL)
        wait_for(lambda: live.counter("worker_deaths"), "a worker died")
        os.kill(live.program.pid, signal.SIGHUP)
        live.notify.wait(2, READY="1")
        pid = live.program.pid
        live.stop()
        assert {m.sender for m in live.notify.hear()} == {pid}
        live.start()


def test_a_reload_is_told():
    with Managed() as live:
        before = time.monotonic_ns() // 1000
        os.kill(live.program.pid, signal.SIGHUP)
        live.notify.wait(2, READY="1")
        after = time.monotonic_ns() // 1000
        [begun] = live.notify.said(RELOADING="1")
        assert before <= int(begun.fields["MONOTONIC_USEC"]) <= after
        order = [m.fields.keys() & {"READY", "RELOADING"} for m in live.notify.heard]
        assert [k for k in order if k] == [{"READY"}, {"RELOADING"}, {"READY"}]


def test_a_bad_file_is_told_and_changes_nothing():
    with Managed() as live:
        good = live.config_file.read_text()
        live.config_file.write_text('{"workers": "many"}')
        os.kill(live.program.pid, signal.SIGHUP)
        ready = live.notify.wait(2, READY="1")
        assert "not taken" in ready.fields["STATUS"]
        assert live.notify.said(RELOADING="1")
        assert live.fcgi.get("/healthz").status == 200
        live.config_file.write_text(good)
        os.kill(live.program.pid, signal.SIGHUP)
        assert "not taken" not in live.notify.wait(3, READY="1").fields["STATUS"]


def test_a_stop_is_told():
    with Managed() as live:
        assert not live.notify.said(STOPPING="1")
        live.stop()
        assert len(live.notify.said(STOPPING="1")) == 1
        live.start()


# ---- the watchdog ----


def test_the_watchdog_is_fed_in_time():
    period = scaled(1.0)
    with Managed(watchdog_s=period) as live:
        live.notify.wait(5, WATCHDOG="1")
        times = [m.at for m in live.notify.said(WATCHDOG="1")][:5]
        gaps = [b - a for a, b in zip(times, times[1:])]
        # Half of it, and what a busy machine adds.
        assert max(gaps) < 0.75 * period, gaps


def test_a_stopped_master_feeds_no_watchdog():
    period = scaled(0.4)
    with Managed(watchdog_s=period) as live:
        live.notify.wait(2, WATCHDOG="1")
        os.kill(live.program.pid, signal.SIGSTOP)
        try:
            live.notify.hear()
            fed = len(live.notify.said(WATCHDOG="1"))
            live.notify.hear(2 * period)
            assert len(live.notify.said(WATCHDOG="1")) == fed
        finally:
            os.kill(live.program.pid, signal.SIGCONT)
        live.notify.wait(fed + 1, WATCHDOG="1")


def test_who_is_not_watched_feeds_nothing():
    with Managed() as live:
        live.notify.hear(0.5)
        assert not live.notify.said(WATCHDOG="1")


# ---- the socket ----


def test_a_client_starts_it():
    """systemd-socket-activate starts the program when the first connection waits."""
    idle = Service(files=())
    tiff.write_noise(idle.root / "noise.tiff", 1)
    try:
        passed = [f"-E{name}={value}" for name, value in idle.env.items()]
        argv = ["systemd-socket-activate", "-l", idle.socket, *passed]
        program = Program([*argv, *command(idle.config_file)], idle.dir / "slidecached.log")
        try:
            wait_for(lambda: pathlib.Path(idle.socket).exists(), "it listens")
            assert idle.fcgi.get("/healthz").status == 200
            page = wait_for(lambda: json.loads(idle.fcgi.get("/api/v1/images/images/").body)
                            ["results"], "the slide is in the list")
            assert [image["filename"] for image in page] == ["noise.tiff"]
            assert program.end(signal.SIGTERM) == 0, program.output()
        finally:
            program.destroy()
        idle.check_reports()
    finally:
        idle.destroy()


def test_restarts_refuse_nobody():
    """Who comes while nobody serves waits in the socket's queue, and is answered."""
    with Managed() as live, Clients(live.fcgi) as clients:
        for _ in range(RESTARTS):
            clients.wait_more()
            live.stop()
            with fcgi.connect(live.socket, 30) as early:
                early.sendall(fcgi.encode_request(fcgi.cgi_params("GET", "/healthz", {}, b"")))
                live.start()
                assert fcgi.parse_cgi(fcgi.read_reply(early)).status == 200
        clients.wait_more()
    assert not clients.bad, clients.bad[:3]


def test_the_limits_of_the_unit_hold():
    with Managed() as live:
        worker = live.worker_pids()[0]
        limits = pathlib.Path(f"/proc/{worker}/limits").read_text()
        unit = read_unit(UNITS[0])
        for name, key in (("Max open files", "LimitNOFILE"), ("Max core file size", "LimitCORE")):
            [line] = [x for x in limits.splitlines() if x.startswith(name)]
            assert line[len(name):].split()[1] == unit[key][0]
        status = pathlib.Path(f"/proc/{worker}/status").read_text()
        assert re.search(rf"^Umask:\s*{unit['UMask'][0]}$", status, re.M)
