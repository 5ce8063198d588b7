#!/usr/bin/env python3
"""What a function costs to start and to call: its own binary, against a Lambda Runtime API and AWS over TLS.

    cargo build --release -p points -p orders -p local
    cargo build --release --manifest-path tests/bench/default-function/Cargo.toml   # the yardstick; optional
    tests/bench/functions.py [--rounds 12]

AWS is played by a server here that asks a local host once and then answers the same for ever, so that what is measured
is the function alone. Processor time is what the kernel counts for the process (not the clock on the wall, which a
busy machine moves); instructions are callgrind's, when it is there, and hardly vary at all.
"""

import argparse
import http.client
import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "judges"))
from brand import SECRETS, signature, token  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """A process that ends hangs up without a word."""

    def __init__(self, handler, context=None):
        super().__init__(("127.0.0.1", 0), handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def say(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def aws(host: str):
    """AWS that says to the same question always the same, and knows what to say from a local host."""
    known: dict[tuple, tuple] = {}

    class Aws(Quiet):
        def do_POST(self):
            target, body = self.headers["x-amz-target"], self.body()
            if target.endswith("GetSecretValue"):
                said = json.dumps({"ARN": "a", "Name": "huitou", "SecretString": SECRETS}).encode()
                return self.say(200, said, [("content-type", "application/x-amz-json-1.1")])
            asked = json.loads(body)
            reads = target.split(".")[1] in ("GetItem", "Query", "BatchGetItem")
            # Whatever is written is written as the first time.
            question = (target, json.dumps(asked, sort_keys=True) if reads else asked.get("TableName"))
            if question not in known:
                address = urllib.parse.urlparse(host)
                connection = http.client.HTTPConnection(address.hostname, address.port)
                connection.request("POST", "/dev/aws", body, {"x-amz-target": target})
                answer = connection.getresponse()
                known[question] = (answer.status, answer.read())
            status, said = known[question]
            self.say(status, said, [("content-type", "application/x-amz-json-1.0")])

    return Aws


class Runtime:
    """A Lambda Runtime API for one process."""

    def __init__(self):
        self.events, self.answers = queue.Queue(), queue.Queue()
        runtime = self

        class Handler(Quiet):
            def do_GET(self):
                event = runtime.events.get()
                deadline = str(int(time.time() * 1000) + 30_000)
                arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
                named = [("aws-request-id", "1"), ("deadline-ms", deadline), ("invoked-function-arn", arn)]
                headers = [(f"lambda-runtime-{name}", value) for name, value in named]
                self.say(200, event, [*headers, ("content-type", "application/json")])

            def do_POST(self):
                runtime.answers.put((self.path.rsplit("/", 1)[1], self.body()))
                self.say(202)

        self.server = Server(Handler)

    def ask(self, event: dict) -> dict:
        self.events.put(json.dumps(event).encode())
        kind, said = self.answers.get(timeout=120)
        answer = json.loads(said)
        assert kind == "response" and answer["statusCode"] == 200, said.decode()
        return answer


class Process:
    """A function at work."""

    def __init__(self, binary, place, before=()):
        self.runtime = Runtime()
        environment = {**place, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime.server.port}"}
        self.child = subprocess.Popen(
            [*before, str(binary)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def cpu(self) -> float:
        """Milliseconds of processor time until now, of all threads."""
        tasks = pathlib.Path(f"/proc/{self.child.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6

    def peak(self) -> float:
        """Megabytes that it has had at most."""
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def end(self):
        self.child.terminate()
        self.child.wait()
        self.runtime.server.shutdown()


def event(method, path, headers, body=None) -> dict:
    """A request as API Gateway's event, with all that it has."""
    http_part = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "bench"}
    context = {
        "accountId": "000000000000", "apiId": "a1b2c3", "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "a1b2c3", "http": http_part, "requestId": "Kq1=", "routeKey": f"{method} {path}",
        "stage": "$default", "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 1795341600000,
    }
    whole = {
        "version": "2.0", "routeKey": f"{method} {path}", "rawPath": path, "rawQueryString": "",
        "headers": {"host": context["domainName"], "content-type": "application/json", "x-forwarded-proto": "https", **headers},
        "requestContext": context, "isBase64Encoded": False,
    }
    return whole | ({"body": body} if body else {})


def requests(member: str) -> dict:
    """Each bench's n-th request."""
    bearer = {"authorization": f"Bearer {token('member', member)}"}
    paid = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def purchase(n):
        order = {"source": "bench", "id": f"B-{n}", "customer": {"member_id": member}, "paid_at": paid, "amount": 19900}
        body = json.dumps({"orders": [order]})
        return event("POST", "/v1/orders", signature("POST", "/v1/orders", body.encode()), body)

    return {"balance": lambda n: event("GET", "/v1/me/points", bearer), "purchase": purchase}


def certificates(work: pathlib.Path):
    """An authority of our own with a certificate for localhost, beside as many others as each peer would load."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", work / "ca.key", "-out", work / "ca.pem", "-subj", "/CN=bench", "-days", 2)
    openssl("req", *curve, "-keyout", work / "key.pem", "-out", work / "csr.pem", "-subj", "/CN=localhost")
    (work / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", work / "csr.pem", "-CA", work / "ca.pem", "-CAkey", work / "ca.key", "-CAcreateserial",
            "-out", work / "cert.pem", "-days", 2, "-extfile", work / "ext")
    ours = (work / "ca.pem").read_text()
    (work / "few.pem").write_text(ours + (ROOT / "shared/src/manners/amazon-roots.pem").read_text())
    bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
    (work / "all.pem").write_text(ours + next(pathlib.Path(path).read_text() for path in bundles if os.path.exists(path)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(work / "cert.pem", work / "key.pem")
    return context


def a_member(local: pathlib.Path, work: pathlib.Path):
    """A local host with a member in it, and the functions' environment there."""
    host = subprocess.Popen([local, "--port", "0", "--data", work / "data"], stdout=subprocess.PIPE, text=True)
    url = re.search(r"http://\S+", host.stdout.readline())[0]
    threading.Thread(target=host.stdout.read, daemon=True).start()
    till = subprocess.run([local, "token", "--role", "system", "--data", work / "data"], capture_output=True, text=True)
    paid = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    orders = [{"source": "bench", "id": f"first-{n}", "customer": {"card": "00001"}, "paid_at": paid, "amount": 9900} for n in range(5)]
    address = urllib.parse.urlparse(url)
    connection = http.client.HTTPConnection(address.hostname, address.port)
    headers = {"authorization": f"Bearer {till.stdout.strip()}", "content-type": "application/json"}
    connection.request("POST", "/v1/orders", json.dumps({"orders": orders}), headers)
    member = json.loads(connection.getresponse().read())["results"][0]["member_id"]
    return host, url, member


def environment(work, port) -> dict:
    """What both find around them. How many authorities each loads is its own affair."""
    names = "MEMBERS JOURNAL PROFILES IDENTITIES MEMBER_KEYS SETTINGS MEMBERSHIPS TICKETS CAMPAIGNS SENDS".split()
    tables = {"TICKETS": "TicketTable", "CAMPAIGNS": "CampaignTable"}
    variables = {f"{name}_TABLE": tables.get(name, name.title().replace("_", "")) for name in names}
    queues = {f"{name}_QUEUE": f"http://queue.localhost/0/{name.title()}Queue" for name in ("RECOMPUTE", "DISPATCH", "SEND")}
    return variables | queues | {
        "HUITOU_LOG": "info", "MASTER_KEY": "key", "ATTACHMENTS_URL": "https://b.s3.us-east-1.amazonaws.com",
        "WECHAT_APP_ID": "wx0000000000000000", "WECHAT_BASE_URL": "https://api.weixin.qq.com", "PROVIDERS": "{}",
        "SECRETS_ARN": "huitou", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_SESSION_TOKEN": "t" * 700,
        "AWS_ENDPOINT_URL": f"https://localhost:{port}", "AWS_CA_BUNDLE": str(work / "few.pem"),
        "SSL_CERT_FILE": str(work / "all.pem"), "AWS_LAMBDA_FUNCTION_NAME": "bench", "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "l", "AWS_LAMBDA_LOG_STREAM_NAME": "l",
    }


def zipped(binary: pathlib.Path) -> float:
    """Megabytes of the package."""
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "bootstrap"
        shutil.copy2(binary, stripped)
        subprocess.run(["strip", stripped], check=True)
        return len(zlib.compress(stripped.read_bytes(), 6)) / 1e6


def instructions(binary, place, ask) -> tuple:
    """Of a start with its first answer, and of each further answer; millions and thousands."""
    counted = []
    for calls in (1, 101):
        with tempfile.NamedTemporaryFile() as log:
            callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}"]
            process = Process(binary, place, callgrind)
            for n in range(calls):
                process.runtime.ask(ask(n + 100_000))
            process.end()
            counted.append(int(re.search(r"Collected : (\d+)", pathlib.Path(log.name).read_text())[1]))
    return counted[0] / 1e6, (counted[1] - counted[0]) / 100 / 1e3


def cold(binary, place, ask) -> float:
    """Milliseconds of processor time from the start to the first answer."""
    process = Process(binary, place)
    process.runtime.ask(ask(0))
    took = process.cpu()
    process.end()
    return took


def warm(binary, place, ask, calls=500) -> dict:
    """What each further answer takes, and the most memory that the process has had."""
    process = Process(binary, place)
    for n in range(100):
        process.runtime.ask(ask(n + 1))
    before = process.cpu()
    for n in range(calls):
        process.runtime.ask(ask(n + 1_000))
    figures = {"warm": (process.cpu() - before) / calls * 1000, "peak": process.peak()}
    process.end()
    return figures


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=12)
    options.add_argument("--target", type=pathlib.Path, default=ROOT / "target/release")
    options.add_argument("--local", type=pathlib.Path, help="the local host, if it is not in the target directory")
    options.add_argument("--default", type=pathlib.Path, default=ROOT / "tests/bench/default-function/target/release/default-function")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        context = certificates(work)
        host, url, member = a_member(given.local or given.target / "local", work)
        try:
            bench(given, work, Server(aws(url), context).port, requests(member))
        finally:
            host.terminate()
            host.wait()


def bench(given, work, port, asks):
    place = environment(work, port)
    peers = {("balance", "Huitou"): given.target / "points", ("purchase", "Huitou"): given.target / "orders"}
    if given.default.exists():
        peers |= {("balance", "default"): given.default, ("purchase", "default"): given.default}
    figures = {peer: {} for peer in peers}
    # Side by side, so that a busy spell of the machine meets all of them.
    colds = {peer: [] for peer in peers}
    for _ in range(given.rounds):
        for peer, binary in peers.items():
            colds[peer].append(cold(binary, place, asks[peer[0]]))
    for peer, binary in peers.items():
        figures[peer] = warm(binary, place, asks[peer[0]])
        figures[peer] |= {"cold": statistics.median(colds[peer]), "zip": zipped(binary)}
    if shutil.which("valgrind"):
        for peer, binary in peers.items():
            figures[peer]["cold Ir"], figures[peer]["warm Ir"] = instructions(binary, place, asks[peer[0]])
    columns = {
        "cold": "start to first answer, CPU ms", "warm": "a further answer, CPU µs", "peak": "memory, MB", "zip": "package, MB",
        "cold Ir": "start, M instructions", "warm Ir": "further answer, k instructions",
    }
    columns = {name: title for name, title in columns.items() if any(name in row for row in figures.values())}
    print("| request | function | " + " | ".join(columns.values()) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for (request, peer), row in figures.items():
        print(f"| {request} | {peer} | " + " | ".join(f"{row[name]:.2f}" for name in columns) + " |")
        if (request, "default") in figures and peer == "default":
            ratio = [figures[request, "Huitou"][name] / row[name] for name in columns]
            print(f"| {request} | Huitou / default | " + " | ".join(f"{part:.2f}" for part in ratio) + " |")


if __name__ == "__main__":
    main()
