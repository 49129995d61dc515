# SPDX-License-Identifier: MIT
"""make install, or install-lib, into a folder, of what is built already: what its flags were is not ours."""

import os
import subprocess

from service import BUILD, REPO


def install(dest, prefix, target="install", environment=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    env.update(environment or {})
    argv = ["make", "-o", "all", "-o", "www", target,
            f"BUILD={BUILD}", f"DESTDIR={dest}", f"PREFIX={prefix}"]
    done = subprocess.run(argv, cwd=REPO, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def below(dest, path):
    return dest / str(path).lstrip("/")
