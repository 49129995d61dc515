# SPDX-License-Identifier: MIT
"""A stand-in for the service manager: it reads the unit, keeps the listening socket while the
program starts and ends, hears what the program says to NOTIFY_SOCKET, and by whom.

Managed is a Service that is started as slidecached.service says, in a test's own folder."""

import collections
import os
import resource
import select
import shlex
import signal
import socket
import struct
import subprocess
import time

from program import SLOW, Program, wait_for
from service import BUILD, LIVE, REPO, Service

FIRST_FD = 3
CREDENTIALS = struct.Struct("3i")
MESSAGE_MAX = 4096
BACKLOG = 4096
# To be the process that LISTEN_PID names, the program takes the place of the shell.
MEANT_FOR = 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"'

# at: monotonic seconds; sender: the process; fields: what it said.
Message = collections.namedtuple("Message", "at sender fields")


def read_unit(name):
    """{key: [values]} of all sections of a unit, in its order."""
    found = collections.defaultdict(list)
    for line in (REPO / "systemd" / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


class Notifications:
    """The socket of NOTIFY_SOCKET; address is a path, or begins with @."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(address.replace("@", "\0", 1))
        self.heard = []

    def close(self):
        self.socket.close()

    def hear(self, wait_s=0.0):
        """Takes what is there, waiting for the first for so long."""
        while select.select([self.socket], [], [], wait_s)[0]:
            room = socket.CMSG_SPACE(CREDENTIALS.size)
            data, [(_, _, sender)], _, _ = self.socket.recvmsg(MESSAGE_MAX, room)
            fields = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.heard.append(Message(time.monotonic(), CREDENTIALS.unpack(sender)[0], fields))
            wait_s = 0.0
        return self.heard

    def said(self, **fields):
        """Those that said all of these."""
        return [m for m in self.hear() if fields.items() <= m.fields.items()]

    def wait(self, count=1, deadline_s=20, **fields):
        """Until they were said so often; the last one."""
        wait_for(lambda: len(self.said(**fields)) >= count, f"{fields} {count} times", deadline_s)
        return self.said(**fields)[count - 1]


class Activated(Program):
    """A program with a listening socket as systemd passes it, with the unit's limits."""

    def __init__(self, argv, log, listener, env):
        self.log = log
        self.listener = listener
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                ["/bin/sh", "-c", MEANT_FOR, "sh", *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "LISTEN_FDS": "1", **env},
                close_fds=False, preexec_fn=self.prepare)
        self.pid = self.popen.pid

    def prepare(self):
        unit = read_unit("slidecached.service")
        os.umask(int(unit["UMask"][0], 8))
        for name in ("NOFILE", "CORE"):
            limit = int(unit["Limit" + name][0])
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))
        os.dup2(self.listener, FIRST_FD)  # inheritable; other descriptors of tests are not


def command(config_file):
    """ExecStart= with the program that was built and a test's configuration."""
    [line] = read_unit("slidecached.service")["ExecStart"]
    argv = shlex.split(line)
    argv[0] = str(BUILD / "slidecached")
    argv[argv.index("--config") + 1] = str(config_file)
    return argv


class Managed(Service):
    """The program is started and ended; the socket stays. watchdog_s: WatchdogSec=."""

    def __init__(self, config=None, files=(), notify="path", watchdog_s=0.0):
        super().__init__(config, files)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(BACKLOG)
        path = self.dir / "notify"
        self.notify = Notifications(f"@slidecache{path}" if notify == "@" else str(path))
        self.watchdog_s = watchdog_s

    def spawn(self):
        """Starts, and does not wait."""
        assert self.program is None
        env = {**self.env, "NOTIFY_SOCKET": self.notify.address}
        if self.watchdog_s:
            env["WATCHDOG_USEC"] = str(round(self.watchdog_s * 1e6))
        self.program = Activated(command(self.config_file), self.dir / "slidecached.log",
                                 self.listener.fileno(), env)
        LIVE.append(self)
        return self.program

    def start(self):
        before = len(self.notify.said(READY="1"))
        self.spawn()
        self.notify.wait(before + 1, READY="1")

    def stop(self):
        """SIGTERM, exit code 0, nobody left, the socket there as before."""
        program, self.program = self.program, None
        try:
            code = program.end(signal.SIGTERM)
            assert code == 0, f"exit code {code}:\n{program.output()[-4000:]}"
            assert os.path.exists(self.socket), "the socket was taken away"
        finally:
            program.destroy()
            LIVE.remove(self)

    def destroy(self):
        super().destroy()
        self.listener.close()
        self.notify.close()


def scaled(seconds):
    """Of a time that the program has to keep: longer where it is slow."""
    return seconds * SLOW
