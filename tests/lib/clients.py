# SPDX-License-Identifier: MIT
"""Clients that ask again and again, each time on a new connection; none may be refused."""

import threading

import fcgi
from program import wait_for


class Clients:
    """bad has what was no answer with one of statuses. Use as a context manager."""

    def __init__(self, client, count=4, target="/healthz", statuses=(200,)):
        self.client, self.target, self.statuses = client, target, statuses
        self.over = threading.Event()
        self.good, self.bad = 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        while not self.over.is_set():
            try:
                reply = self.client.get(self.target)
            except (fcgi.Gone, OSError) as e:
                self.bad.append(e)
                continue
            if reply.status not in self.statuses:
                self.bad.append(reply)
            with self.lock:
                self.good += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def wait_more(self, count=50):
        enough = self.good + count
        wait_for(lambda: self.good >= enough, "answers", 30)
