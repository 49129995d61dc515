# SPDX-License-Identifier: MIT
"""Clients that ask the whole time, compare each answer with what is right, and remember when
each came and how long it took."""

import collections
import random
import threading
import time

import fcgi

# at: monotonic seconds of the answer; what: "good", "lost", "wrong", or a status.
Answer = collections.namedtuple("Answer", "at seconds what address")


class Asking:
    """ask(address) gives a reply; right has the bytes by address. allowed: what is no fault
    of an answer. Use as a context manager."""

    def __init__(self, ask, right, clients=4, pause_s=0.0, allowed=(), weights=None):
        self.ask, self.right, self.pause_s = ask, right, pause_s
        self.allowed = {"good", *allowed}
        self.addresses, self.weights = list(right), weights
        self.over = threading.Event()
        self.answers = [[] for _ in range(clients)]  # appending takes no lock
        self.broken = []  # what no client should raise
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.broken, self.broken[:3]

    def run(self, number):
        pick = random.Random(number)
        try:
            while not self.over.is_set():
                [address] = pick.choices(self.addresses, self.weights)
                begun = time.monotonic()
                what = self.look(address)
                now = time.monotonic()
                self.answers[number].append(Answer(now, now - begun, what, address))
                if self.pause_s:
                    self.over.wait(self.pause_s)
        except Exception as e:  # said by end()
            self.broken.append(e)

    def look(self, address):
        try:
            reply = self.ask(address)
        except (fcgi.Gone, OSError):
            return "lost"
        if reply.status != 200:
            return reply.status
        return "good" if reply.body == self.right[address] else "wrong"

    def all(self, since=0.0, until=float("inf")):
        return [a for of in self.answers for a in list(of) if since <= a.at < until]

    def count(self, what, since=0.0):
        return sum(a.what == what for a in self.all(since))

    def faults(self, since=0.0):
        return [a for a in self.all(since) if a.what not in self.allowed]

    def wait_good(self, more, deadline_s=30):
        """Until there are so many more good answers."""
        end, since = time.monotonic() + deadline_s, time.monotonic()
        while self.count("good", since) < more:
            assert time.monotonic() < end, f"{self.count('good', since)} good answers"
            self.over.wait(0.002)


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def p99(answers):
    return quantile([a.seconds for a in answers], 0.99)
