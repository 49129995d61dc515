# SPDX-License-Identifier: MIT
"""This machine's file system, to install packages on: what is written goes to memory.

Isolated() starts isolated_init.py in mount and process namespaces of its own (as root, or by
sudo): there / is an overlay in a tmpfs, and systemctl a stand-in that starts units as systemd
would. The network is the machine's, so a port of 127.0.0.1 that is served inside is reached
from outside. All of it ends with close(), or with this process.
"""

import base64
import json
import os
import pathlib
import subprocess
import tempfile

from program import REPO, SLOW

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def sanitizer_environment():
    if SLOW == 1:
        return {}
    return {"ASAN_OPTIONS": "detect_leaks=1:exitcode=86",
            "LSAN_OPTIONS": "suppressions=/run/lsan.supp:print_suppressions=0"}


class Isolated:
    """Use as a context manager. Paths are those of the inside."""

    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="sc-"))
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        argv = [*as_root, "unshare", "--mount", "--pid", "--fork", "--kill-child",
                "/usr/bin/python3", "-B", HERE / "isolated_init.py", self.scratch]
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.environment = {"PATH": PATH, "LC_ALL": "C.UTF-8",
                            "DEBIAN_FRONTEND": "noninteractive", **sanitizer_environment()}
        self.call("environment", self.environment)
        self.put("/run/lsan.supp", (REPO / "tests" / "lib" / "lsan.supp").read_bytes())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.popen.stdin.close()
        self.popen.wait(timeout=30)
        self.popen.stdout.close()
        self.scratch.rmdir()

    def call(self, name, *arguments):
        """A function of isolated_init.py."""
        self.popen.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        assert line, f"{name}: the inside ended"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def run(self, *argv, code=0):
        """Runs a program; what it prints, errors too."""
        got, text = self.call("run", [str(a) for a in argv])
        assert code is None or got == code, f"{argv}: {got}\n{text}"
        return text

    def start(self, log, user, *argv):
        """A program that stays, ended with all the rest; its process id inside."""
        return self.call("start", log, user, [str(a) for a in argv])

    def put(self, path, data, mode=0o644):
        self.call("put", str(path), base64.b64encode(data).decode(), mode)

    def read(self, path):
        return base64.b64decode(self.call("read", str(path))).decode(errors="replace")

    def changes(self):
        """Every path that is not as on the machine: a hash of what it is, or "gone"."""
        return self.call("changes")

    def units(self):
        """What runs of units: {name: {...}}, see systemctl_standin.Manager.told."""
        return self.call("units")

    def processes_of(self, user):
        return self.call("processes_of", user)
