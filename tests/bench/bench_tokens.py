# SPDX-License-Identifier: MIT
"""Whether a clock tells how much of a wrong token was right: Welch's t between tokens whose
hash is wrong at its first byte and at its last. Beside it the same of memcmp."""

import pathlib
import subprocess
import tempfile

from report import add_row, paired, say
from service import BUILD

SAMPLES = 1_000_000
LIMIT = 4.5  # of |t|: a difference that is none of chance


def welch(kind, folder, number):
    argv = [BUILD / "bench" / "token_compare", kind, SAMPLES, folder / f"{kind}-{number}"]
    done = subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True)
    return abs(float(done.stdout.split()[0]))


def bench_tokens(options):
    say("tokens, wrong at the first byte and at the last ...")
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        numbers, folder = iter(range(2 * options.runs)), pathlib.Path(name)
        ours, other = paired(
            options.runs,
            lambda: welch("table", folder, next(numbers)),
            lambda: welch("memcmp", folder, next(numbers)),
        )
    what = f"wrong tokens, {SAMPLES} samples, |t| of the byte"
    limit = [LIMIT] * len(ours)
    add_row(what, "", ours, "significant", limit, 1, larger_is_better=False)
    add_row("the same of memcmp", "", other, "significant", limit)
