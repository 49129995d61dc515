# SPDX-License-Identifier: MIT
"""A systemd of its own, in namespaces: the installed units run under it, with all that they
ask for, on a machine whose own systemd (if it has one) hears nothing of it.

Needs root and a kernel that lets root make namespaces: is_possible() tells."""

import functools
import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import threading

import fcgi
from installed import install
from program import BUILD, SLOW, Program, child_pids, wait_for
from service import merge

NAMESPACES = ["--mount", "--pid", "--cgroup", "--net", "--uts", "--ipc"]
UNIT, SOCKET_UNIT = "slidecached.service", "slidecached.socket"
SOCKET, LOG = "run/slidecache/slidecached.sock", "run/slidecached.log"
# What the tests add to the unit: a log that they can read, and signs of a sanitizer.
DROP_IN = f"""[Service]
StandardOutput=append:/{LOG}
StandardError=append:/{LOG}
Environment=ASAN_OPTIONS=detect_leaks=0
"""


def own_cgroup():
    """The folder of this process in the unified hierarchy, None where there is none."""
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    places = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    lines = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    paths = [line[3:].lstrip("/") for line in lines if line.startswith("0::")]
    return pathlib.Path(places[0]) / paths[0] if places and paths else None


def may_make(folder):
    probe = folder / f"slidecache-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


@functools.cache
def is_possible():
    """Root may be anything from a machine's to a container's that may do nothing."""
    cgroup = own_cgroup()
    if os.geteuid() != 0 or not cgroup or not may_make(cgroup):
        return False
    argv = ["unshare", *NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


class Booted:
    """Use as a context manager. root is the root folder of its processes."""

    def __init__(self, slides=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sc-boot-"))
        for name in ("dest", "memory", "root"):
            (self.dir / name).mkdir()
        self.dest = self.dir / "dest"
        self.slides = slides
        self.cgroup = own_cgroup() / self.dir.name
        self.program = self.root = self.fcgi = self.init = self.config = None
        self.installed_config = {}
        self.console, self.terminal = pty.openpty()
        self.reader = threading.Thread(target=self.read_console, daemon=True)

    def install(self):
        """What "make install" does, but for pages and papers; and the slides."""
        install(self.dest, "/usr", "install-system")
        for name in ("sbin/slidecached", "bin/slidecachectl"):
            target = self.dest / "usr" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(BUILD / target.name, target)
        os.chmod(self.dest, 0o755)
        (self.dest / "srv" / "slides").mkdir(parents=True)
        for slide in self.slides:
            shutil.copy(slide, self.dest / "srv" / "slides")
        if os.path.islink("/lib"):  # a folder of that name would stand in its way
            shutil.copytree(self.dest / "lib", self.dest / "usr" / "lib", dirs_exist_ok=True)
            shutil.rmtree(self.dest / "lib")

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_):
        self.destroy()

    def boot(self):
        self.install()
        self.cgroup.mkdir()
        script = pathlib.Path(__file__).with_name("boot-systemd")
        # Into its group first, so that this is the root of what it sees.
        enter = f'echo $$ >{self.cgroup}/cgroup.procs && exec "$@"'
        argv = ["sh", "-c", enter, "sh", "unshare", *NAMESPACES, "--fork", "--kill-child",
                script, self.dir, os.ttyname(self.terminal)]
        self.program = Program(argv, self.dir / "boot.log")
        self.reader.start()
        wait_for(self.is_booted, "systemd runs", 20)
        self.add_drop_in("tests", DROP_IN)
        self.fcgi = fcgi.Client(str(self.root / SOCKET), 30 * SLOW)
        self.config = self.root / "etc/slidecache/slidecache.json"
        self.installed_config = json.loads(self.config.read_text())

    def read_console(self):
        with open(self.dir / "console.log", "ab", buffering=0) as out:
            while True:
                try:
                    out.write(os.read(self.console, 4096))
                except OSError:
                    return

    def is_booted(self):
        code = self.program.exit_code()
        assert code is None, f"the boot ended with {code}:\n{self.program.output()}"
        children = child_pids(self.program.pid)
        if not children:
            return False
        self.init = children[0]
        self.root = pathlib.Path(f"/proc/{self.init}/root")
        if not (self.root / "run/systemd/private").exists():
            return False
        # The group of a unit must hold no process itself.
        (self.cgroup.parent / "cgroup.procs").write_text(str(self.program.pid))
        return self.run("systemctl", "is-system-running").stdout.strip() == "running"

    def run(self, *argv, **options):
        """Runs a command inside."""
        enter = ["nsenter", "-t", str(self.init), "-m", "-p", "-n", "-u", "-i", "-r", "-w"]
        return subprocess.run([*enter, *map(str, argv)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=60 * SLOW, check=False, **options)

    def systemctl(self, *args, code=0):
        done = self.run("systemctl", *args)
        said = f"systemctl {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, said + self.log_tail()
        return done.stdout + done.stderr

    def show(self, name, unit=UNIT):
        return self.systemctl("show", "--value", "-p", name, unit).strip()

    def drop_in_folder(self):
        return self.root / "etc/systemd/system" / f"{UNIT}.d"

    def drop_ins(self):
        return {path.stem for path in self.drop_in_folder().iterdir()}

    def add_drop_in(self, name, text):
        self.drop_in_folder().mkdir(exist_ok=True)
        (self.drop_in_folder() / f"{name}.conf").write_text(text)
        self.systemctl("daemon-reload")

    def remove_drop_in(self, name):
        (self.drop_in_folder() / f"{name}.conf").unlink()
        self.systemctl("daemon-reload")

    def write_config(self, over):
        """The installed configuration, changed so."""
        self.config.write_text(json.dumps(merge(self.installed_config, over), indent=1))

    def log(self):
        path = self.root / LOG
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, n=4000):
        console = (self.dir / "console.log").read_text(errors="replace")
        return f"\n-- log\n{self.log()[-n:]}\n-- console\n{console[-n:]}"

    def destroy(self):
        """The first process of its namespaces dies, and with it all others."""
        if self.program:
            self.program.destroy()
        os.close(self.terminal)  # nobody has it now, and the reader ends
        if self.reader.ident:
            self.reader.join()
        os.close(self.console)
        if self.cgroup.exists():
            wait_for(self.remove_cgroups, "its processes are gone")
        shutil.rmtree(self.dir, ignore_errors=True)

    def remove_cgroups(self):
        try:
            for path in sorted(self.cgroup.rglob("*/"), reverse=True):
                path.rmdir()
            self.cgroup.rmdir()
        except OSError:
            return False
        return True
