#!/usr/bin/env python3
"""Lets schemathesis, which nobody here wrote, judge every answer of a local host by the description of the API.

Run by schemathesis.sh, which starts the host. A brand does some business first, so that the ids that schemathesis draws
lead to members, tickets and campaigns; then every role calls every operation: those that it may call with data at and
beyond every bound, the others just to be refused. Judged is, whatever was sent:

- no answer is a failure of ours, and each has a status, a content type and a shape that the description knows;
- what the description forbids is refused: fields that it does not know, other types, other lengths, missing headers;
- nothing that the host has logged meanwhile tells who somebody is.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brand import Api  # noqa: E402

HERE = pathlib.Path(__file__).parent
REPORTS = HERE.parents[1] / "target" / "schemathesis"
ROLES = ["none", "member", "system", "guide", "agent", "operator", "manager"]

class Brand:
    """A brand that has done some business, and the ids of all that came of it."""

    def __init__(self, api: Api, tokens: dict):
        self.api, self.tokens, self.keys = api, tokens, 0
        self.people = [self.signs_up(f"person-{n}", f"1380013{n:04}") for n in range(8)]
        # Anna is the one who calls as a member; whoever stands last may be erased, merged and held.
        self.anna, self.victims = self.people[0], self.people[5:]
        self.known = {
            "members": [person["id"] for person in self.people[:5]],
            "victims": [person["id"] for person in self.victims],
            "sources": ["pos-1"],
            "reasons": ["return call", "%E5%9B%9E%E7%94%B5"],
            "etags": [f'"{n}"' for n in range(4)],
            "beginnings": ["2026-03-01T00:00:00+08:00", "2026-03-01"],
            "ends": ["2026-03-09T00:00:00+08:00", "2026-03-05"],
            "orders": [self.buys(person) for person in self.people[:5]],
            "holds": [self.holds(person) for person in self.people[:4]],
            "tickets": [self.opens(person) for person in [self.anna, self.anna, *self.people[1:4]]],
            "children": [self.has_a_child(f"child-{n}") for n in range(2)],
            "requests": [self.asks() for _ in range(3)],
            "campaigns": [self.plans(n) for n in range(3)],
            "segments": ["new", "stage.new", "lovers"],
        }
        self.writes_a_segment()
        self.speaks_to_everybody()

    def key(self) -> str:
        self.keys += 1
        return f"judge-{self.keys:08}"

    def expect(self, status, method, path, body=None, *, role="manager", **how):
        return self.api.expect(status, method, path, body, bearer=how.pop("bearer", self.tokens[role]), **how)

    def signs_up(self, name: str, phone: str) -> dict:
        body = {"provider": "wechat", "code": f"dev:{name}", "phone_code": f"dev:{phone}"}
        session = self.api.expect(201, "POST", "/v1/sessions", body)
        return {"id": session["member"]["id"], "bearer": session["access_token"]}

    def buys(self, person: dict) -> str:
        order = {
            "source": "pos-1", "id": f"A-{self.key()}", "customer": {"member_id": person["id"]},
            "paid_at": "2026-03-02T09:00:00+08:00", "amount": 199_00,
        }  # fmt: skip
        result = self.expect(200, "POST", "/v1/orders", {"orders": [order]}, role="system")["results"][0]
        assert result["status"] == "created", result
        gift = {"member_id": person["id"], "points": 1000, "reason": "for the judge"}
        self.expect(201, "POST", "/v1/points/adjustments", gift, key=self.key())
        return order["id"]

    def holds(self, person: dict) -> str:
        body = {"member_id": person["id"], "points": 10, "minutes": 30}
        return self.expect(201, "POST", "/v1/points/holds", body, role="system", key=self.key())["id"]

    def opens(self, person: dict) -> str:
        body = {"type": "quality", "text": "the sole comes off"}
        return self.expect(201, "POST", "/v1/me/tickets", body, bearer=person["bearer"], key=self.key())["id"]

    def has_a_child(self, name: str) -> str:
        child = {"name": name, "birthday": "2020-03-04", "consent": {"policy_version": 1}}
        made = self.expect(201, "POST", "/v1/me/children", child, bearer=self.anna["bearer"], key=self.key())
        return made["id"]

    def asks(self) -> str:
        return self.expect(201, "POST", "/v1/me/requests", {"kind": "review"}, bearer=self.anna["bearer"], key=self.key())["id"]

    def plans(self, number: int) -> str:
        content = {"webhook": {"topic": "wake-up", "fields": {"text": "good to see you"}}}
        campaign = {
            "name": f"campaign {number}", "scene": "dormant_wake_up", "purpose": "marketing",
            "audience": {"segment": "stage.new"}, "plan": ["webhook"],
            "variants": [{"id": "a", "weight": 100, "content": content}],
            "window": {"from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00"},
            "attribution_days": 7,
        }  # fmt: skip
        return self.expect(201, "POST", "/v1/campaigns", campaign, key=self.key())["id"]

    def writes_a_segment(self):
        headers = {"if-match": '"0"'}
        body = {"name": "lovers", "rule": "frequency >= 1"}
        status, answer = self.api.call("PUT", "/v1/segments/lovers", body, bearer=self.tokens["manager"], headers=headers)
        assert status in (200, 412), answer

    def speaks_to_everybody(self):
        for person in self.people[:3]:
            asked = self.expect(200, "GET", "/v1/me/consents", bearer=person["bearer"])["items"]
            version = next(item for item in asked if item["purpose"] == "marketing.webhook")["statement"]["version"]
            agreed = {"granted": True, "policy_version": version}
            self.expect(200, "PUT", "/v1/me/consents/marketing.webhook", agreed, bearer=person["bearer"])
        self.expect(200, "POST", f"/v1/campaigns/{self.known['campaigns'][0]}/launch")


def schemathesis(name: str, url: str, operations: list, caller: dict, brand: Brand, *options) -> bool:
    """One run over some operations as some caller; whether nothing was found."""
    command = [pathlib.Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml"]
    command += ["--no-color", "run", f"{url}/openapi.json", *options]
    command += [f"--include-operation-id={operation}" for operation in operations]
    environment = {**os.environ, "KNOWN_IDS": json.dumps(brand.known), "PYTHONPATH": str(HERE), **caller}
    started = time.monotonic()
    ended = subprocess.run(command, cwd=REPORTS, env=environment, capture_output=True, text=True)
    took = time.monotonic() - started
    (REPORTS / f"{name}.txt").write_text(ended.stdout + ended.stderr)
    told = re.search(r"Test cases:\s*\n\s*(.*)", ended.stdout)
    verdict = "ok" if ended.returncode == 0 else "FAILED"
    print(f"{took:6.1f} s  {name:<20} {len(operations):3} operations  {verdict}  {told[1] if told else ''}", flush=True)
    if ended.returncode != 0:
        print(ended.stdout[ended.stdout.find("= FAILURES =") :] + ended.stderr, flush=True)
    return ended.returncode == 0


def judge(role: str, url: str, callers: dict, brand: Brand) -> bool:
    """Everything as one role; whether nothing was found."""
    described = brand.api.expect(200, "GET", "/openapi.json")["paths"]
    operations = [operation for path in described.values() for operation in path.values()]
    # Whoever leaves or logs out is needed no more, so Bo does both, last.
    last = ["delete_sessions", "delete_me"] if role == "member" else []
    may = [o["operationId"] for o in operations if {role, "anybody"} & set(o["x-roles"])]
    may_not = [o["operationId"] for o in operations if o["operationId"] not in may]
    caller = callers[role]
    sound = schemathesis(role, url, [o for o in may if o not in last], caller, brand)
    if may_not:
        sound &= schemathesis(f"{role}-refused", url, may_not, caller, brand, "--phases=fuzzing", "--max-examples=1")
    for operation in last:
        bo = {"BEARER": brand.people[-1 - last.index(operation)]["bearer"]}
        sound &= schemathesis(f"{role}-{operation}", url, [operation], bo, brand)
    return sound


def silent(log: str, brand: Brand, tokens: dict) -> bool:
    """Whether the log names nobody."""
    lines = log.splitlines()
    people = ["1380013", "child-", "person-", *tokens.values(), *(person["bearer"] for person in brand.people)]
    leaks = [line for line in lines if any(told in line for told in people)]
    print(f"{len(lines)} lines logged, {len(leaks)} of which tell who somebody is", *leaks[:20], sep="\n")
    return not leaks


def yeses(log: str) -> set:
    """Method and route of all that was answered with a yes."""
    said = re.findall(r'request .*?method="(\w+)" route="([^"]*)".*? status=[23]\d\d', re.sub(r"\x1b\[\d*m", "", log))
    return set(said)


def main():
    work, roles = pathlib.Path(sys.argv[1]), sys.argv[2:] or ROLES
    greeting = (work / "greeting").read_text()
    url = re.search(r"http://127\S+", greeting)[0]
    found = {role: re.search(rf"^ *{role}  (\S+)$", greeting, re.MULTILINE) for role in ROLES}
    tokens = {role: token[1] for role, token in found.items() if token}
    secret = re.search(r"X-Huitou-Key: (\S+) and the secret (\S+)", greeting)
    REPORTS.mkdir(parents=True, exist_ok=True)
    brand = Brand(Api(url), tokens)
    callers = {role: {"BEARER": token} for role, token in tokens.items()}
    callers |= {"none": {}, "member": {"BEARER": brand.anna["bearer"]}}
    callers |= {"system": {"SYSTEM_KEY": secret[1], "SYSTEM_SECRET": secret[2]}}
    sound = [judge(role, url, callers, brand) for role in roles]
    log = (work / "log").read_text()
    sound.append(silent(log, brand, tokens))
    answered = yeses(log)
    print(f"{len(answered)} routes have said yes to somebody")
    (REPORTS / "yes.txt").write_text("\n".join(sorted(f"{method} {route}" for method, route in answered)) + "\n")
    sys.exit(0 if all(sound) else 1)


main()
