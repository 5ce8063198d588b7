"""A brand to try deployed functions with: its secrets, tokens and signatures, and stand-ins for its providers.

Nothing of Huitou is used here: what the documents of the API say is written down a second time, by its own hand.
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import threading
import time
import urllib.parse

TOKEN_KEY, TILL_KEY = os.urandom(32), base64.b64encode(os.urandom(32)).decode()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


SECRETS = json.dumps(
    {
        "lookup_key": _text(os.urandom(32)),
        "cursor_key": _text(os.urandom(32)),
        "token_keys": [{"id": "1", "secret": _text(TOKEN_KEY)}],
        "system_keys": [{"id": "till", "system": "till", "secret": TILL_KEY}],
        "wechat_secret": "stand-in",
        "providers": {"sms": {"id": "stand-in", "secret": "stand-in"}},
    }
)


def token(role: str, subject: str = "judge") -> str:
    """A bearer token, as RFC 7519 and the description of the API say."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    audience = {"member": "member", "system": "system"}.get(role, "staff")
    claims = {"iss": "huitou", "aud": audience, "sub": subject, "role": role, "sessions": 0, "iat": now, "exp": now + 3600}
    signed = part(b'{"alg":"HS256","typ":"JWT","kid":"1"}') + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.digest(TOKEN_KEY, signed.encode(), "sha256"))


def signature(method: str, path: str, body: bytes) -> dict:
    """The headers of a till's request."""
    timestamp = str(int(time.time()))
    text = "\n".join([timestamp, method, path, hashlib.sha256(body).hexdigest()])
    mac = hmac.digest(TILL_KEY.encode(), text.encode(), "sha256").hex()
    return {"x-huitou-key": "till", "x-huitou-timestamp": timestamp, "x-huitou-signature": f"v1={mac}"}


class Api:
    """Huitou's API behind an address."""

    def __init__(self, url: str):
        self.url = urllib.parse.urlparse(url)
        self.signed = 0

    def call(self, method, path, body=None, *, role=None, bearer=None, key=None, headers=None):
        """Status and JSON of one request; a till signs, everybody else has a token."""
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **(headers or {})}
        if role == "till":
            # A signature counts once, and the same request may follow within the second.
            self.signed += 1
            data += b" " * self.signed
            headers |= signature(method, path, data)
        elif role or bearer:
            headers["authorization"] = f"Bearer {bearer or token(role)}"
        if key:
            headers["idempotency-key"] = key
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        try:
            connection.request(method, self.url.path + path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def expect(self, status, method, path, body=None, **how):
        """The JSON of a request that has to have this status."""
        got, answer = self.call(method, path, body, **how)
        assert got == status, f"{method} {path}: {got} instead of {status}: {answer}"
        return answer


class StandIns(http.server.ThreadingHTTPServer):
    """WeChat and a provider of text messages, on a loopback port; `sent` holds the numbers that were written to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.sent: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _say(self, answer):
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        asked = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        name = asked.get("js_code", [""])[0]
        self._say({"openid": name, "session_key": _text(hashlib.md5(name.encode()).digest())})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if self.path.startswith("/cgi-bin/stable_token"):
            self._say({"access_token": "stand-in", "expires_in": 7200})
        elif self.path.startswith("/wxa/business/getuserphonenumber"):
            number = json.loads(body)["code"]
            mark = {"timestamp": int(time.time()), "appid": "wx0000000000000000"}
            phone = {"phoneNumber": number, "purePhoneNumber": number, "countryCode": "86", "watermark": mark}
            self._say({"errcode": 0, "errmsg": "ok", "phone_info": phone})
        else:
            self.server.sent += urllib.parse.parse_qs(body).get("PhoneNumbers", ["?"])
            self._say({"Code": "OK", "Message": "OK", "BizId": f"{len(self.server.sent)}^0", "RequestId": "stand-in"})
