# SPDX-License-Identifier: MIT
"""Kills workers of a pool, one each so often, and measures how long it takes until there are as
many as before. A program of its own: what else a test does at the time would disturb it.

Arguments: the master's process id, the name of its workers, seconds, seconds from one to the
next. Prints a JSON list: milliseconds from each kill to a full pool again.
"""

import json
import os
import pathlib
import random
import signal
import sys
import time

GIVE_UP_S = 5.0


def workers(master, name):
    """Those that are no zombies, and have their name already."""
    try:
        text = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text()
    except OSError:
        return set()
    found = set()
    for pid in text.split():
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            continue
        if f"({name})" in stat and stat.rpartition(")")[2].split()[0] not in "ZX":
            found.add(int(pid))
    return found


def kill_one(master, name, number, pick):
    """Milliseconds until there are so many again; None: not in time."""
    pid = pick.choice(sorted(workers(master, name)))
    begun = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    while time.monotonic() - begun < GIVE_UP_S:
        now = workers(master, name)
        if pid not in now and len(now) >= number:
            return 1000 * (time.monotonic() - begun)
        time.sleep(0.0005)
    return None


def main(master, name, seconds, pause_s):
    pick, times = random.Random(1), []
    number, begun = len(workers(master, name)), time.monotonic()
    while time.monotonic() - begun < seconds:
        times.append(kill_one(master, name, number, pick))
        due = begun + pause_s * len(times)
        time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps(times))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
