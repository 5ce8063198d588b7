#!/usr/bin/env python3
"""What a function costs to start and to call: its own binary, against a Lambda Runtime API and AWS over TLS.

    .ci/functions points orders
    cargo build --release -p local
    cargo build --release --manifest-path tests/bench/default-function/Cargo.toml   # the yardstick; optional
    tests/bench/functions.py [--rounds 20]

    cargo build --profile lean --manifest-path tests/bench/default-function/Cargo.toml   # a leaner one
    tests/bench/functions.py --default tests/bench/default-function/target/lean/default-function

    for f in points orders; do                                                      # both by cargo-lambda
        make -C functions/$f -f ../Makefile build-$f PROCESSOR=x86_64 ARTIFACTS_DIR=$PWD/target/lambda/$f
    done
    (cd tests/bench/default-function && cargo lambda build --release)
    tests/bench/functions.py --target target/lambda --default tests/bench/default-function/target/lambda/default-function

    .ci/functions
    tests/bench/functions.py --every        # what each of the functions costs to start, by an ordinary request

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
# Where .ci/functions puts what it has built.
BUILT = ROOT / f"target/{os.uname().machine}-unknown-linux-musl/release"


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


def processor(process: int) -> float:
    """Milliseconds of processor time until now, of all threads."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


class Process:
    """A function at work."""

    def __init__(self, binary, place, before=()):
        self.runtime = Runtime()
        environment = {**place, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.runtime.server.port}"}
        self.child = subprocess.Popen(
            [*before, str(binary)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def ask(self, event: dict):
        self.runtime.events.put(json.dumps(event).encode())
        while self.child.poll() is None:
            try:
                kind, said = self.runtime.answers.get(timeout=1)
            except queue.Empty:
                continue
            status = json.loads(said).get("statusCode", 200) if kind == "response" else 500
            assert status < 400 or status == 404, said.decode()  # to an unknown link that is the ordinary answer
            return
        raise SystemExit(f"{self.child.args} ended with {self.child.returncode}")

    def cpu(self) -> float:
        return processor(self.child.pid)

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


def purchase(member: str):
    """A till's n-th order."""
    paid = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def order(n):
        sale = {"source": "bench", "id": f"B-{n}", "customer": {"member_id": member}, "paid_at": paid, "amount": 19900}
        body = json.dumps({"orders": [sale]})
        return event("POST", "/v1/orders", signature("POST", "/v1/orders", body.encode()), body)

    return order


def requests(member: str) -> dict:
    """An ordinary request of each function: by the binary's name, the function's in the template, its name and its n-th event."""
    def by(role, path):
        bearer = {"authorization": f"Bearer {token(role, member if role == 'member' else 'bench')}"}
        return lambda n: event("GET", path, bearer)

    return {
        "points": ("Points", "balance", by("member", "/v1/me/points")),
        "orders": ("Orders", "purchase", purchase(member)),
        "sign-up": ("SignUp", "own profile", by("member", "/v1/me")),
        "privacy": ("Privacy", "own consents", by("member", "/v1/me/consents")),
        "customers": ("Customers", "a member", by("manager", f"/v1/members/{member}")),
        "segments": ("Segments", "own segments", by("member", "/v1/me/segments")),
        "playbooks": ("Playbooks", "playbooks", by("manager", "/v1/playbooks")),
        "segment-recompute": ("SegmentRecompute", "state of a pass", by("manager", "/v1/segments/recompute")),
        "tickets": ("Tickets", "own tickets", by("member", "/v1/me/tickets")),
        "campaigns": ("Campaigns", "campaigns", by("manager", "/v1/campaigns")),
        "tracking": ("Tracking", "an unknown link", lambda n: event("GET", "/o/nothing", {})),
        "campaign-send": ("CampaignSend", "no message", lambda n: {"Records": []}),
    }


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


class Brand:
    """A local host with a member in it."""

    def __init__(self, local: pathlib.Path, work: pathlib.Path):
        self.host = subprocess.Popen([local, "--port", "0", "--data", work / "data"], stdout=subprocess.PIPE, text=True)
        self.url = re.search(r"http://\S+", self.host.stdout.readline())[0]
        threading.Thread(target=self.host.stdout.read, daemon=True).start()
        till = subprocess.run([local, "token", "--role", "system", "--data", work / "data"], capture_output=True, text=True)
        paid = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        orders = [
            {"source": "bench", "id": f"first-{n}", "customer": {"card": "00001"}, "paid_at": paid, "amount": 9900} for n in range(5)
        ]
        headers = {"authorization": f"Bearer {till.stdout.strip()}", "content-type": "application/json"}
        said = self.call("POST", "/v1/orders", json.dumps({"orders": orders}), headers)
        self.member = json.loads(said)["results"][0]["member_id"]

    def call(self, method: str, path: str, body=None, headers={}) -> bytes:
        address = urllib.parse.urlparse(self.url)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said.decode()
        return said

    def environment(self, function: str, work: pathlib.Path, port: int) -> dict:
        """What a function finds around it when it is deployed. How many authorities each loads is its own affair."""
        lines = self.call("GET", f"/dev/environment/{function}").decode().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        found.pop("MALLOC_ARENA_MAX")
        return found | {
            "PROVIDERS": "{}", "HUITOU_LOG": "info", "HUITOU_METRICS": "function", "HUITOU_NAMESPACE": "Huitou/bench",
            "ATTACHMENTS_URL": "https://b.s3.us-east-1.amazonaws.com", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_SESSION_TOKEN": "t" * 700,
            # Two services are two connections, as on AWS: by another address the SDK's default would keep one for both.
            "AWS_ENDPOINT_URL": f"https://localhost:{port}", "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"https://127.0.0.1:{port}", "AWS_CA_BUNDLE": str(work / "few.pem"),
            "SSL_CERT_FILE": str(work / "all.pem"),
        }

    def end(self):
        self.host.terminate()
        self.host.wait()


# Copies of a binary that take turns at starting.
COPIES = 5


def unpacked(binary: pathlib.Path, place: pathlib.Path) -> list:
    """Copies of a binary as it lies in a package, stripped: where in memory the pages of a file come to lie moves a start
    by a twentieth either way, so that one file would be an accident."""
    if (binary / "bootstrap").exists():  # as cargo-lambda puts it
        binary /= "bootstrap"
    whole = place / f"{binary.parent.name}-{binary.name}"
    subprocess.run(["strip", "-o", whole, binary], check=True)
    copies = [whole.with_suffix(f".{n}") for n in range(COPIES)]
    for copy in copies:
        copy.write_bytes(whole.read_bytes())
        copy.chmod(0o755)
    return copies


def zipped(binary: pathlib.Path) -> float:
    """Megabytes of the package."""
    return len(zlib.compress(binary.read_bytes(), 6)) / 1e6


# Answers of which the instructions are counted.
FURTHER = 25


def instructions(binary, place, ask) -> tuple:
    """Of a start with its first answer, and of each further answer; millions and thousands."""
    first, all_of_them = (collected(binary, place, ask, calls) for calls in (1, 1 + FURTHER))
    return first / 1e6, (all_of_them - first) / FURTHER / 1e3


def collected(binary, place, ask, calls) -> int:
    """Instructions of a process that answers so often and ends."""
    for attempt in range(3):
        with tempfile.NamedTemporaryFile() as log:
            callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}"]
            process = Process(binary, place, callgrind)
            try:
                for n in range(calls):
                    process.ask(ask(n + 100_000 * (attempt + 1)))
            except AssertionError:
                continue  # so slow under callgrind, on a busy machine, that an attempt at AWS ran out of time
            finally:
                process.end()
            return int(re.search(r"Collected : (\d+)", pathlib.Path(log.name).read_text())[1])
    raise SystemExit("the machine is too busy to count instructions")


def cold(binary, place, ask) -> float:
    """Milliseconds of processor time from the start to the first answer."""
    process = Process(binary, place)
    process.ask(ask(0))
    took = process.cpu()
    process.end()
    return took


def floor() -> float:
    """Milliseconds that the start of any process costs here: of one that has nothing to do."""
    idle = subprocess.Popen(["sleep", "60"])
    time.sleep(0.05)
    took = processor(idle.pid)
    idle.kill()
    idle.wait()
    return took


def quiet(times: list) -> float:
    """The mean of the quietest quarter: other work on the machine only ever adds to what a process takes."""
    return statistics.mean(sorted(times)[: max(1, len(times) // 4)])


def warm(peers: dict, rounds: int, calls=100) -> dict:
    """What a further answer of each takes, and the most memory that each process has had."""
    processes = {name: Process(copies[0], place) for name, (copies, place, _) in peers.items()}
    took = {name: [] for name in peers}
    for round in range(rounds + 1):  # the first one warms
        for name, (_, _, ask) in peers.items():
            before = processes[name].cpu()
            for n in range(calls):
                processes[name].ask(ask(1 + round * calls + n))
            took[name].append((processes[name].cpu() - before) / calls * 1000)
    figures = {name: {"warm": quiet(took[name][1:]), "peak": process.peak()} for name, process in processes.items()}
    for process in processes.values():
        process.end()
    return figures


COLUMNS = {
    "cold": "start to first answer, CPU ms", "warm": "a further answer, CPU µs", "peak": "memory, MB", "zip": "package, MB",
    "cold Ir": "start, M instructions", "warm Ir": "further answer, k instructions",
}


def figures(peers: dict, rounds: int) -> dict:
    """Of each (copies, environment, request). Side by side, so that a busy spell of the machine meets all of them."""
    colds = {name: [] for name in peers}
    for round in range(rounds):
        for name, (copies, place, ask) in peers.items():
            colds[name].append(cold(copies[round % COPIES], place, ask))
    found = warm(peers, rounds)
    for name, (copies, *_) in peers.items():
        found[name] |= {"cold": quiet(colds[name]), "zip": zipped(copies[0])}
    return found


def counts(peers: dict) -> dict:
    """Their instructions, where valgrind is there to count them."""
    if not shutil.which("valgrind"):
        return {}
    return {name: dict(zip(("cold Ir", "warm Ir"), instructions(copies[0], *rest))) for name, (copies, *rest) in peers.items()}


def table(head: tuple, rows: list):
    columns = {name: title for name, title in COLUMNS.items() if any(name in row for _, row in rows)}
    print("| " + " | ".join([*head, *columns.values()]) + " |")
    print("|---" * (len(head) + len(columns)) + "|")
    for names, row in rows:
        print("| " + " | ".join([*names, *(f"{row[name]:.2f}" for name in columns)]) + " |")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--every", action="store_true", help="each function, without the yardstick")
    options.add_argument("--target", type=pathlib.Path, default=BUILT, help="where the functions are")
    options.add_argument("--local", type=pathlib.Path, default=ROOT / "target/release/local", help="the local host")
    options.add_argument("--default", type=pathlib.Path, default=ROOT / "tests/bench/default-function/target/release/default-function")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        context = certificates(work)
        brand = Brand(given.local, work)
        try:
            bench(given, brand, work, Server(aws(brand.url), context).port)
        finally:
            brand.end()


def bench(given, brand, work, port):
    asks = requests(brand.member)
    if not given.every:
        asks = {binary: asks[binary] for binary in ("points", "orders")}
    peers = {}
    for binary, (function, request, ask) in asks.items():
        place = brand.environment(function, work, port)
        peers[request, binary] = (unpacked(given.target / binary, work), place, ask)
        if not given.every and given.default.exists():
            peers[request, "default"] = (unpacked(given.default, work), place, ask)
    show(figures(peers, given.rounds))
    print(f"\nOf each start {quiet([floor() for _ in range(given.rounds)]):.2f} ms are what any process costs here.\n")
    show(counts(peers))


def show(found: dict):
    rows = []
    for (request, binary), row in found.items():
        rows.append(((request, binary), row))
        if binary == "default":
            ours = next(row for (asked, whose), row in found.items() if asked == request and whose != "default")
            rows.append(((request, "ours / default"), {name: ours[name] / row[name] for name in row}))
    table(("request", "function"), rows)


if __name__ == "__main__":
    main()
