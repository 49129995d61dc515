# SPDX-License-Identifier: MIT
"""Users, credentials and calls that manage versions over HTTP, for tests of a service."""

import base64
import itertools
import json

API = "/api/v1/cache"
JSON = {"Content-Type": "application/json"}

# As "htpasswd -B", "-5" and "-2" write them, with few rounds.
PASSWORDS = {"anna": "pass:wörd", "otto": "second", "ida": "third"}
USERS = """# who may manage
anna:$2y$05$abcdefghijklmnopqrstuufCq7KSx/yTY1N2WBDUpQoHYqabOcAn2

otto:$6$rounds=1000$saltsalt$h0jGOvwepEn98LdCDPLNUV1uz.VJLPKxxHkFRcVJn7NavLdhMp.DG8txBZkQ8vlo8ixQmiItuZXjQvKOpKSSH.
ida:$5$rounds=1000$saltsalt$bEm.KDMj7mjB3a7KYfSUdcY0M3GFnizjnnr1JsLe727
"""


def basic(user, password):
    pair = f"{user}:{password}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


ANNA = basic("anna", PASSWORDS["anna"])
PLACES = (f"127.1.{n // 250}.{n % 250 + 1}" for n in itertools.count())


class Manager:
    """Calls of one user through one client, below /api/v1/cache."""

    def __init__(self, client, headers=None, params=None):
        self.client = client
        self.headers = ANNA if headers is None else headers
        self.more = {} if params is None else {"params": params}
        self.wanders = False

    def wandering(self):
        """From here on each call comes from another address: from one, the service looks at
        ten wrong credentials a minute."""
        self.wanders = True
        return self

    def call(self, method, target, body=None, **headers):
        sent = {**self.headers, **(JSON if body is not None else {})}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        raw = body if isinstance(body, bytes) else b"" if body is None else encode(body)
        home = self.client.source
        self.client.source = next(PLACES) if self.wanders else home
        try:
            return self.client.request(method, API + target, sent, raw, **self.more)
        finally:
            self.client.source = home

    def get(self, target):
        return self.call("GET", target)

    def post(self, target, body=None, **headers):
        return self.call("POST", target, body, **headers)

    def put(self, name, body=None, **headers):
        return self.call("PUT", f"/versions/{name}/", body, **headers)

    def delete(self, name, body=None, **headers):
        return self.call("DELETE", f"/versions/{name}/", body, **headers)

    def invalidate(self, name):
        return self.post(f"/versions/{name}/invalidate/")

    def versions(self):
        """All of them: name -> version."""
        found = document(self.get("/versions/"))["versions"]
        return {name: of["version"] for name, of in found.items()}


def encode(value):
    return json.dumps(value).encode()


def document(reply, status=200):
    """The JSON body of a reply that must have this status."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json", reply
    return json.loads(reply.body)


def detail(reply, status):
    """The sentence of an error."""
    body = document(reply, status)
    assert set(body) == {"detail"} and len(body["detail"]) > 8, body
    return body["detail"]
