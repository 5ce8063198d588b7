"""Hooks of schemathesis: says who calls, and puts ids that lead somewhere where it has drawn ones that lead nowhere.

Only where what it drew fits the description; what it drew to be refused stays as it is.
"""

import hashlib
import hmac
import itertools
import json
import os
import random
import re
import time

import requests
import schemathesis

KNOWN = json.loads(os.environ["KNOWN_IDS"])

# Which ids stand where, the most exact first: path, place, list.
PLACES = [
    (r"/v1/members/\{id\}/(erasure|legal-hold|merges)", "id", "victims"),
    (r"/v1/members/\{id\}", "id", "members"),
    (r"/v1/(me/)?tickets/", "id", "tickets"),
    (r"/v1/campaigns/", "id", "campaigns"),
    (r"/v1/segments/\{id\}", "id", "segments"),
    (r"/v1/me/children/", "id", "children"),
    (r"/v1/requests/", "id", "requests"),
    (r"/v1/points/holds/", "id", "holds"),
    (r"/v1/orders/", "id", "orders"),
]
FIELDS = {
    "member_id": "members",
    "source": "sources",
    "from": "beginnings",
    "until": "ends",
    "If-Match": "etags",
    "X-Huitou-Reason": "reasons",
}
OFTEN = 0.8


_signed = itertools.count()


def proves_who_calls(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Adds a staff member's or member's token, or a system's signature."""
    if bearer := os.environ.get("BEARER"):
        request.headers["Authorization"] = f"Bearer {bearer}"
    if secret := os.environ.get("SYSTEM_SECRET"):
        # A signature counts once, and one may be some minutes old.
        timestamp = str(int(time.time()) - next(_signed) % 250)
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        text = "\n".join([timestamp, request.method, request.path_url, hashlib.sha256(body).hexdigest()])
        mac = hmac.digest(secret.encode(), text.encode(), "sha256").hex()
        key = {"X-Huitou-Key": os.environ["SYSTEM_KEY"], "X-Huitou-Timestamp": timestamp}
        request.headers.update(key | {"X-Huitou-Signature": f"v1={mac}"})
    return request


@schemathesis.hook
def before_call(context, case, kwargs):
    kwargs["auth"] = proves_who_calls
    drawn = random.Random(json.dumps([case.path, case.path_parameters, case.query, case.body], default=str))

    def put(values, field, known):
        if isinstance(values.get(field), str) and known in KNOWN and drawn.random() < OFTEN:
            values[field] = drawn.choice(KNOWN[known])

    def fits(location):
        component = case.meta.components.get(location) if case.meta else None
        return component is not None and component.mode.is_positive

    if fits("path") and case.path_parameters:
        place = next((place for place in PLACES if re.match(place[0], case.path)), None)
        if place:
            put(case.path_parameters, place[1], place[2])
    for location, values in (("query", case.query), ("header", case.headers), ("body", case.body)):
        # A mapping of headers knows its names in any case; dictionaries know their own.
        if fits(location) and hasattr(values, "get"):
            for field, known in FIELDS.items():
                put(values, field, known)
