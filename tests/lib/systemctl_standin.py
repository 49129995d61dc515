#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""A stand-in for systemctl and the part of systemd that package scripts talk to.

As a program it hands its arguments to a Manager in another process and ends as that says, but
what is a matter of files only (enable, disable, preset) to the real systemctl. The Manager
reads the installed units and does what they say, as far as a service and its socket go: the
folders, the socket with its owner and mode, which it keeps while the service restarts, the
user, LISTEN_FDS, NOTIFY_SOCKET. A start has succeeded when the service said READY=1. What it
does not do is the sandbox.
"""

import grp
import json
import os
import pathlib
import pwd
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

CONTROL = "/run/standin.sock"
UNITS = pathlib.Path("/lib/systemd/system")
REAL = "/usr/bin/systemctl.real"
FILES_ONLY = {"enable", "disable", "is-enabled", "preset", "mask", "unmask"}
FOLDERS = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib",
           "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log"}
START_S, STOP_S = 30, 30


def read_unit(name):
    """{key: [value, ...]} of all sections."""
    found = {}
    for line in (UNITS / name).read_text().splitlines():
        match = re.match(r"([A-Za-z]+)=(.*)", line)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def last(unit, key, default=None):
    return unit.get(key, [default])[-1]


class Socket:
    """A .socket unit."""

    def __init__(self, name):
        self.name = name
        self.listener = None

    def is_active(self):
        return self.listener is not None

    def start(self):
        if self.listener:
            return
        unit = read_unit(self.name)
        path = pathlib.Path(last(unit, "ListenStream"))
        for line in unit.get("ExecStartPre", []):
            subprocess.run(shlex.split(line), check=True)
        path.parent.mkdir(mode=int(last(unit, "DirectoryMode", "0755"), 8), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        os.chown(path, pwd.getpwnam(last(unit, "SocketUser")).pw_uid,
                 grp.getgrnam(last(unit, "SocketGroup")).gr_gid)
        os.chmod(path, int(last(unit, "SocketMode"), 8))
        self.listener.listen(int(last(unit, "Backlog")))

    def stop(self):
        if not self.listener:
            return
        path = self.listener.getsockname()
        self.listener.close()
        self.listener = None
        os.unlink(path)

    def told(self):
        return {"inode": os.fstat(self.listener.fileno()).st_ino if self.listener else None}


class Service:
    """A .service unit of Type=notify with one socket."""

    def __init__(self, name, sock, env):
        self.name = name
        self.socket = sock
        self.env = env
        self.process = None
        self.exit_codes = []
        self.ready = threading.Event()
        self.said = []

    def is_active(self):
        return self.process is not None and self.process.poll() is None

    def make_folders(self, unit, uid, gid):
        for key, base in FOLDERS.items():
            for name in last(unit, key, "").split():
                folder = pathlib.Path(base) / name
                folder.mkdir(exist_ok=True)
                folder.chmod(int(last(unit, key + "Mode", "0755"), 8))
                os.chown(folder, uid, gid)

    def listen_for_notices(self):
        """What the service says from now on; a thread a start, as long as it lives."""
        path = f"/run/notify-{len(self.exit_codes)}-{time.monotonic_ns()}.sock"
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notices.bind(path)
        os.chmod(path, 0o666)
        self.ready = threading.Event()

        def receive(ready):
            while text := notices.recv(4096).decode():
                self.said.append(text)
                if "READY=1" in text.split("\n"):
                    ready.set()

        threading.Thread(target=receive, args=(self.ready,), daemon=True).start()
        return path

    def start(self):
        if self.is_active():
            return
        self.socket.start()
        unit = read_unit(self.name)
        user = pwd.getpwnam(last(unit, "User"))
        self.make_folders(unit, user.pw_uid, user.pw_gid)
        env = {**self.env, "NOTIFY_SOCKET": self.listen_for_notices(), "LISTEN_FDS": "1",
               "HOME": user.pw_dir, "USER": user.pw_name}
        if "WatchdogSec" in unit:
            env["WATCHDOG_USEC"] = str(int(last(unit, "WatchdogSec")) * 1000000)
        listener = self.socket.listener.fileno()
        # The shell has the process id that LISTEN_PID is to name, and is the service then.
        script = f"LISTEN_PID=$$ WATCHDOG_PID=$$ exec {last(unit, 'ExecStart')} 3<&{listener}"
        script += f" {listener}<&-" if listener != 3 else ""
        with open("/run/" + self.name + ".log", "ab") as log:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", script], env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, pass_fds=[listener], user=user.pw_uid, group=user.pw_gid,
                extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
                umask=int(last(unit, "UMask", "0022"), 8), start_new_session=True)
        self.wait_until_ready()

    def wait_until_ready(self):
        end = time.monotonic() + START_S
        while not self.ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name}: not ready: {self.process.poll()}")

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        self.exit_codes.append(self.process.wait(STOP_S))
        self.process = None

    def reload(self):
        env = {**self.env, "MAINPID": str(self.process.pid)}
        for line in read_unit(self.name)["ExecReload"]:
            subprocess.run(["/bin/sh", "-c", line], check=True, env=env)

    def told(self):
        return {"pid": self.process.pid if self.is_active() else None,
                "exit_codes": self.exit_codes, "said": self.said}


class Manager:
    """Serves CONTROL. Its units are those of the package: one service and its socket."""

    def __init__(self, env):
        self.sockets = {"slidecached.socket": Socket("slidecached.socket")}
        self.units = {**self.sockets, "slidecached.service": Service(
            "slidecached.service", self.sockets["slidecached.socket"], env)}
        self.calls = []

    def start(self):
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind(CONTROL)
        control.listen()
        threading.Thread(target=self.serve, args=(control,), daemon=True).start()

    def serve(self, control):
        while True:
            with control.accept()[0] as peer, peer.makefile("rw") as lines:
                argv = json.loads(lines.readline())
                self.calls.append(" ".join(argv))
                try:
                    code, text = self.do([w for w in argv if not w.startswith("--")])
                except Exception as e:  # the caller's business, as a failed job is
                    code, text = 1, f"{e!r}\n"
                lines.write(json.dumps([code, text]) + "\n")

    def do(self, words):
        verb, *names = words
        if verb == "daemon-reload":
            return 0, ""
        if verb == "show":
            return 0, last(read_unit(names[-1]), names[names.index("-p") + 1], "") + "\n"
        units = [self.units[n] for n in names]
        if verb == "is-active":
            return (0 if all(u.is_active() for u in units) else 3), ""
        for unit in units if verb in ("stop", "restart") else []:
            unit.stop()
        for unit in units if verb in ("start", "restart") else []:
            unit.start()
        for unit in units if verb == "reload" else []:
            unit.reload()
        assert verb in ("start", "stop", "restart", "reload"), verb
        return 0, ""

    def told(self):
        return {"calls": self.calls, **{n: u.told() for n, u in self.units.items()}}


def main():
    if FILES_ONLY & set(sys.argv[1:]):
        words = [w for w in sys.argv[1:] if w != "--root=/"]
        os.execv(REAL, [REAL, "--root=/", *words])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(CONTROL)
        with peer.makefile("rw") as lines:
            lines.write(json.dumps(sys.argv[1:]) + "\n")
            lines.flush()
            code, text = json.loads(lines.readline())
    sys.stdout.write(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
