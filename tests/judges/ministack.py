#!/usr/bin/env python3
"""Deploys Huitou to MiniStack, an emulator of AWS that nobody here wrote, and drives it as its clients would.

Run by ministack.sh, which installs and starts the emulator. What the emulator leaves out of a deployment (the routes of
an HTTP API whose description is inline) is made from the deployed template itself, by the calls that AWS makes.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import boto3

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brand import SECRETS, Api, StandIns  # noqa: E402

STACK = "huitou"
ROOT = pathlib.Path(__file__).parents[2]
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
PATIENCE = int(os.environ.get("HUITOU_PATIENCE", "180"))


def client(service):
    return boto3.client(service)


def step(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


def until(what, ask):
    """Asks until there is an answer that is not None."""
    deadline = time.monotonic() + PATIENCE
    while (answer := ask()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.5)
    return answer


def package(binaries: pathlib.Path, work: pathlib.Path, providers: dict) -> pathlib.Path:
    """The template with each function's binary of this machine in the place of its crate, and with these providers."""
    # `sam deploy` takes no JSON as a parameter.
    text = (ROOT / "template.yaml").read_text().replace('Default: "{}"', f"Default: '{json.dumps(providers)}'", 1)

    def build(crate):
        folder = work / crate[1]
        folder.mkdir(parents=True)
        shutil.copy2(binaries / crate[1], folder / "bootstrap")
        subprocess.run(["strip", folder / "bootstrap"], check=True)
        return f"CodeUri: {folder}"

    packaged = work / "template.yaml"
    packaged.write_text(re.sub(r"CodeUri: functions/([a-z-]+)", build, text))
    return packaged


def deploy(template: pathlib.Path, parameters: dict):
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    command = [os.environ["SAM"], "deploy", "--template-file", template, "--stack-name", STACK, "--resolve-s3"]
    command += ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]
    subprocess.run([*command, "--parameter-overrides", *overrides], check=True, cwd=template.parent, timeout=600)


def resources() -> dict:
    listed = client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}


def routes() -> list:
    """Function, method and path of every route in the template."""
    found, function = [], None
    for line in (ROOT / "template.yaml").read_text().splitlines():
        if name := re.fullmatch(r"  (\w+):", line):
            function = name[1]
        if route := re.search(r"Type: HttpApi, .*Method: (\w+), Path: \"?(/[^\"{} ]*(?:\{[^}]*\}[^\"{} ]*)*)", line):
            found.append((function, route[1], route[2]))
    return found


def make_routes(there: dict):
    """What the inline description of the API would have made."""
    gateway, functions = client("apigatewayv2"), client("lambda")
    present = {route["RouteKey"] for route in gateway.get_routes(ApiId=there["Api"]).get("Items", [])}
    integrations = {}
    for function, method, path in routes():
        if f"{method} {path}" in present:
            continue
        if function not in integrations:
            arn = functions.get_function(FunctionName=there[function])["Configuration"]["FunctionArn"]
            made = gateway.create_integration(
                ApiId=there["Api"], IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
            )
            integrations[function] = made["IntegrationId"]
        target = f"integrations/{integrations[function]}"
        gateway.create_route(ApiId=there["Api"], RouteKey=f"{method} {path}", Target=target)
    return len(routes()), len(present)


def signs_up(api: Api, name: str, phone: str) -> dict:
    session = api.expect(201, "POST", "/v1/sessions", {"provider": "wechat", "code": name, "phone_code": phone})
    again = api.expect(200, "POST", "/v1/sessions", {"provider": "wechat", "code": name})
    assert again["member"]["id"] == session["member"]["id"], "the same person twice"
    return {"id": session["member"]["id"], "token": session["access_token"]}


def buys(api: Api, member: dict):
    paid = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    order = {"source": "pos-1", "id": "A-1", "customer": {"member_id": member["id"]}, "paid_at": paid, "amount": 19900}
    for status in ("created", "replayed"):
        result = api.expect(200, "POST", "/v1/orders", {"orders": [order]}, role="till")["results"][0]
        assert (result["status"], result["points"]) == (status, 199), result
    points = api.expect(200, "GET", "/v1/me/points", bearer=member["token"])
    assert points["pending"] == 199, points


def is_given_points(api: Api, member: dict):
    def proof():
        return api.expect(200, "GET", f"/v1/points/proof?member_id={member['id']}", role="manager")

    gift = {"member_id": member["id"], "points": 50, "reason": "judge"}
    before = proof()["available"]
    for _ in range(2):
        api.expect(201, "POST", "/v1/points/adjustments", gift, role="manager", key="gift-00000001")
    after = proof()
    assert after["balanced"] and after["available"] == before + 50, after


def complains(api: Api, member: dict):
    complaint = {"type": "quality", "text": "开胶了"}
    ticket = api.expect(201, "POST", "/v1/me/tickets", complaint, bearer=member["token"], key="ticket-0000001")
    read = api.expect(200, "GET", f"/v1/me/tickets/{ticket['id']}", bearer=member["token"])
    assert read["state"] == "new", read


def agrees(api: Api, member: dict, purpose: str):
    asked = api.expect(200, "GET", "/v1/me/consents", bearer=member["token"])["items"]
    version = next(item for item in asked if item["purpose"] == purpose)["statement"]["version"]
    agreed = {"granted": True, "policy_version": version}
    api.expect(200, "PUT", f"/v1/me/consents/{purpose}", agreed, bearer=member["token"])


def campaign(api: Api, standins: StandIns):
    """Launched, paged and sent by the queues: to who agreed, once each."""
    now = time.time()
    instant = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))  # noqa: E731
    sms = {"sms": {"sign": "回头客", "template": "SMS_1", "text": "好久不见，回来看看，拒收请回复R"}}
    definition = {
        "name": "judge", "scene": "dormant_wake_up", "purpose": "marketing", "audience": {"segment": "stage.new"},
        "plan": ["sms"], "variants": [{"id": "a", "weight": 100, "content": sms}],
        "window": {"from": instant(now - 3600), "until": instant(now + 86400)}, "attribution_days": 7,
    }
    drafted = api.expect(201, "POST", "/v1/campaigns", definition, role="operator", key="campaign-00001")
    api.expect(200, "POST", f"/v1/campaigns/{drafted['id']}/launch", role="operator")

    def settled():
        # To an operator so few would show as nobody.
        counts = api.expect(200, "GET", f"/v1/campaigns/{drafted['id']}", role="manager")["counts"]
        # At night the law's quiet hours hold marketing back: that is the product's answer, too.
        done = sum(counts.get(word, 0) for word in ("sent", "held", "refused"))
        return counts if done >= counts.get("audience", 0) > 0 else None

    counts = until("the campaign is worked off", settled)
    assert len(standins.sent) == counts.get("sent", 0) == len(set(standins.sent)), (counts, standins.sent)
    return counts


def poison(there: dict):
    """A message that nobody can work on ends with the dead letters, and the others of its batch do not."""
    sqs = client("sqs")
    queue, dead = there["SendQueue"], there["SendDeadLetters"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "2"})
    sqs.send_message(QueueUrl=queue, MessageBody="poison")

    def given_up():
        depth = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        return True if depth["Attributes"]["ApproximateNumberOfMessages"] == "1" else None

    until("the poison is given up", given_up)


def recomputes(api: Api, there: dict, members: list):
    """The nightly schedule is there (the emulator loses its time zone); what it sends settles who is due, and a full pass meets everybody."""
    scheduler = client("scheduler")
    groups = scheduler.list_schedules()["Schedules"]
    nightly = next(s for s in groups if "Nightly" in s["Name"])
    found = scheduler.get_schedule(Name=nightly["Name"], GroupName=nightly.get("GroupName", "default"))
    assert found["ScheduleExpression"] == "cron(5 0 * * ? *)", found
    event = found["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-03-01T16:05:00Z")
    answer = client("lambda").invoke(FunctionName=there["SegmentRecompute"], Payload=event.encode())
    assert "FunctionError" not in answer, answer["Payload"].read()
    api.expect(202, "POST", "/v1/segments/recompute", {"mode": "full"}, role="manager")

    def finished():
        progress = api.expect(200, "GET", "/v1/segments/recompute", role="manager")
        return progress if progress["finished"] else None

    progress = until("the full pass", finished)
    assert progress["members"] == len(members) and progress["unreadable"] == 0, progress


def schedule_fires(api: Api, there: dict):
    """The clocks of sends tick every minute: the log of the function says so."""
    logs = client("logs")

    def ticked():
        for group in logs.describe_log_groups()["logGroups"]:
            found = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            if any('"source":"schedule"' in event["message"] for event in found):
                return True
        return None

    until("a schedule fires", ticked)


def main():
    binaries, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    standins = StandIns()
    secret = client("secretsmanager").create_secret(Name="huitou", SecretString=SECRETS)["ARN"]
    template = package(binaries, work, {"aliyun_sms": {"base_url": standins.base}})
    step("packaged")
    deploy(
        template,
        {
            "Architecture": "x86_64" if os.uname().machine == "x86_64" else "arm64",
            "Alarms": "false",
            "DeletionProtection": "false",
            "SecretsArn": secret,
            "WechatBaseUrl": standins.base,
        },
    )
    there = resources()
    listed, present = make_routes(there)
    step(f"deployed: {len(there)} resources, {listed} routes, {listed - present} of them made by hand")
    api = Api(f"{ENDPOINT}/_aws/execute-api/{there['Api']}")
    api.expect(200, "GET", "/health")
    members = [signs_up(api, f"judge-{n}", f"1380013800{n}") for n in range(3)]
    step("somebody signs up, and again is the same")
    buys(api, members[0])
    step("an order is taken once, and earns")
    is_given_points(api, members[0])
    step("points are given once, and the account is proved")
    complains(api, members[0])
    step("a ticket is opened and read")
    for member in members[:2]:
        agrees(api, member, "marketing.sms")
    counts = campaign(api, standins)
    step(f"a campaign goes through both queues: {json.dumps(counts)}")
    poison(there)
    step("a poison message ends with the dead letters")
    recomputes(api, there, members)
    step("the nightly schedule is there, and a full pass meets everybody")
    schedule_fires(api, there)
    step("a schedule fires by itself")


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
