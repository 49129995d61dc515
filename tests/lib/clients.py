# SPDX-License-Identifier: MIT
"""Clients that ask again and again, each time on a new connection."""

import threading

import fcgi
from program import wait_for


class Crowd:
    """Threads of work(argument), which ends once over is set; one for each of arguments.
    They run as long as the context lasts."""

    def __init__(self, work, arguments):
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=work, args=(a,)) for a in arguments]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Clients(Crowd):
    """bad has what was no answer with one of statuses."""

    def __init__(self, client, count=4, target="/healthz", statuses=(200,)):
        super().__init__(self.run, range(count))
        self.client, self.target, self.statuses = client, target, statuses
        self.good, self.bad = 0, []

    def run(self, _):
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

    def wait_more(self, count=50):
        enough = self.good + count
        wait_for(lambda: self.good >= enough, "answers", 30)
