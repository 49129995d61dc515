# SPDX-License-Identifier: MIT
"""deploy/install-packages, with an apt-get and a dpkg of our own: what it asks for, and that
the daemons of what it installs are not started, now or later."""

import os
import subprocess

import pytest

from service import REPO

SCRIPT = REPO / "deploy" / "install-packages"
# Each writes down how it was called; apt-get, too, whether daemons might have been started.
FAKES = {
    "dpkg-query": 'for p; do :; done; grep -qx "$p" "$HERE/installed" && echo installed',
    "apt-get": (
        'echo "apt-get $*" >>"$HERE/calls"; [ ! -x "$POLICY" ] || '
        '{ rc=0; "$POLICY" nginx start || rc=$?; echo "policy $rc" >>"$HERE/calls"; }; '
        'case $* in *" install "*) exit "$(cat "$HERE/apt-code")" ;; esac'
    ),
    "update-rc.d": 'echo "update-rc.d $*" >>"$HERE/calls"',
    "sudo": 'exec "$@"',
}


class Machine:
    """A PATH with these in front, and folders in place of the system's."""

    def __init__(self, folder):
        self.dir, self.policy = folder, folder / "policy-rc.d"
        for name, script in FAKES.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        (folder / "init").mkdir()
        for name in ("nginx", "lighttpd", "redis-server", "memcached"):
            (folder / "init" / name).touch()
        (folder / "apt-code").write_text("0")
        (folder / "calls").touch()
        self.install()

    def install(self, *names):
        (self.dir / "installed").write_text("".join(f"{n}\n" for n in names))

    def run(self, *sections):
        env = {"HERE": self.dir, "POLICY": self.policy, "INIT": self.dir / "init"}
        env["PATH"] = f"{self.dir}:{os.environ['PATH']}"
        return subprocess.run(
            [SCRIPT, *sections],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, **{name: str(value) for name, value in env.items()}},
        )

    def calls(self, name):
        lines = (self.dir / "calls").read_text().splitlines()
        return [line.removeprefix(name + " ") for line in lines if line.startswith(name + " ")]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_no_daemon_is_started(machine):
    """While it installs they are refused; afterwards the machine is as it was, and they do
    not start with it."""
    done = machine.run("run", "check")
    assert done.returncode == 0, done.stderr
    asked = machine.calls("apt-get")[-1]
    for package in ("lighttpd", "apache2-bin", "libapache2-mod-fcgid", "nginx", "memcached"):
        assert f" {package}" in asked
    assert machine.calls("policy") == ["101"], "apt-get install found daemons refused"
    assert not machine.policy.exists()
    off = {line.split()[0] for line in machine.calls("update-rc.d")}
    assert off == {"lighttpd", "nginx", "redis-server", "memcached"}
    assert {line.split()[1] for line in machine.calls("update-rc.d")} == {"disable"}


def test_what_runs_already_is_left_alone(machine):
    machine.install("nginx", "redis-server")
    assert machine.run("check").returncode == 0
    off = {line.split()[0] for line in machine.calls("update-rc.d")}
    assert off == {"memcached"}


def test_a_policy_that_is_there_stays(machine):
    machine.policy.write_text("#!/bin/sh\nexit 0\n")
    machine.policy.chmod(0o755)
    assert machine.run("check").returncode == 0
    assert machine.policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert set(machine.calls("policy")) == {"0"}


def test_a_failure_leaves_nothing_behind(machine):
    (machine.dir / "apt-code").write_text("100")
    done = machine.run("check")
    assert done.returncode == 1 and "could not all be installed" in done.stderr
    assert not machine.policy.exists()
    assert machine.calls("update-rc.d") == []


def test_nothing_is_missing(machine):
    """Then nothing is touched, and no rights are needed."""
    text = (REPO / "deploy" / "packages").read_text()
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    machine.install(*(words[0] for words in lines if words))
    assert machine.run("build", "run", "check").returncode == 0
    assert (machine.dir / "calls").read_text() == "" and not machine.policy.exists()
