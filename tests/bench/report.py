# SPDX-License-Identifier: MIT
"""The table that the benchmarks fill, and runs side by side."""

import statistics
import sys

ROWS = []


def say(text):
    print(text, file=sys.stderr, flush=True)


def text_of_ratio(ratio):
    return f"{ratio:.3f}" if ratio >= 0.01 else f"{ratio:.1g}"


def add_row(what, unit, own, other_name, others, must=None, larger_is_better=True):
    """Figures of paired runs. must: what the median of their ratios has to reach; without
    it the row only tells."""
    ratios = [a / b for a, b in zip(own, others)]
    ratio = statistics.median(ratios)
    goal = verdict = "-"
    if must is not None:
        met = ratio >= must if larger_is_better else ratio <= must
        goal = ("≥ " if larger_is_better else "≤ ") + f"{must:g}"
        verdict = "yes" if met else "no"
    ROWS.append(
        (
            what,
            f"{statistics.median(own):.4g} {unit}",
            other_name,
            f"{statistics.median(others):.4g} {unit}",
            f"{text_of_ratio(ratio)} ({text_of_ratio(min(ratios))}..{text_of_ratio(max(ratios))})",
            goal,
            verdict,
        )
    )


def print_rows():
    head = ("what", "slidecache", "beside", "its figure", "ratio", "goal", "met")
    widths = [max(len(r[i]) for r in [head, *ROWS]) for i in range(len(head))]
    for row in [head, tuple("-" * w for w in widths), *ROWS]:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def paired(runs, *ways):
    """Runs all ways one after the other, beginning with another one each time; returns a
    list of results for each."""
    results = tuple([] for _ in ways)
    for n in range(runs):
        for i in range(len(ways)):
            which = (n + i) % len(ways)
            results[which].append(ways[which]())
    return results
