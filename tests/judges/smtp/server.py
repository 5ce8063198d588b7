"""Servers of mail by aiosmtpd, on free ports of the loopback, each as one that our client may meet.

    server.py DIRECTORY

They write what they took into DIRECTORY/received.jsonl, a line for each message as Python's own parser of mail reads it;
the certificate that they trust themselves into DIRECTORY/ca.pem; and where they listen into DIRECTORY/ports.json, last.
"""

import asyncio
import json
import pathlib
import ssl
import sys
from email import message_from_bytes, policy

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

NAME, PASSWORD = b"news@example.cn", b"hush"


def knows(_server, _session, _envelope, _mechanism, known):
    ours = isinstance(known, LoginPassword) and (known.login, known.password) == (NAME, PASSWORD)
    return AuthResult(success=ours, handled=False)  # not handled: the server answers itself


class Letters:
    """Takes everything but what the recipient's name asks for."""

    def __init__(self, received):
        self.received = received

    async def handle_MAIL(self, server, session, envelope, address, options):
        if getattr(session, "leaves", False):
            server.transport.close()
        if getattr(session, "ends", False):
            return "421 4.4.2 Idle for too long"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address.startswith("gone"):
            return "550 5.1.1 No such user"
        if address.startswith("greylisted"):
            return "450 4.2.0 Greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = message_from_bytes(envelope.content, policy=policy.default)
        plain, html = (letter.get_body(preferencelist=(kind,)) for kind in ("plain", "html"))
        parts = [letter, *letter.walk()]
        told = {
            "to": envelope.rcpt_tos,
            "sender": envelope.mail_from,
            "headers": {name: str(value) for name, value in letter.items()},
            "plain": plain.get_content() if plain else None,
            "html": html.get_content() if html else None,
            "line": session.peer[1],
            "defects": [repr(defect) for part in parts for defect in part.defects],
        }
        with self.received.open("a") as file:
            file.write(json.dumps(told) + "\n")
        if envelope.rcpt_tos[0].startswith("vanishes"):
            server.transport.close()
        # What becomes of the line when somebody comes back to it.
        session.leaves = envelope.rcpt_tos[0].startswith("leaves")
        session.ends = envelope.rcpt_tos[0].startswith("ends")
        if envelope.rcpt_tos[0].startswith("spam"):
            return "554 5.7.1 Looks like spam"
        return "250 2.0.0 Ok: queued"


async def main(directory):
    letters = Letters(directory / "received.jsonl")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")

    def context(name):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(made)
        return made

    async def serve(tls=None, **options):
        loop = asyncio.get_running_loop()
        talk = lambda: SMTP(letters, hostname="judge", authenticator=knows, auth_required=True, **options)
        server = await loop.create_server(talk, "127.0.0.1", 0, ssl=tls)
        return server, server.sockets[0].getsockname()[1]

    servers = {
        "implicit": await serve(context("localhost"), auth_require_tls=False),
        "starttls": await serve(tls_context=context("localhost"), require_starttls=True),
        # Whoever sits on the line and takes the offer of encryption away.
        "stripped": await serve(auth_require_tls=False),
        # Whoever answers in the server's place.
        "foreign": await serve(context("other.example"), auth_require_tls=False),
    }
    ports = {name: port for name, (_, port) in servers.items()}
    written = directory / "ports.json.new"
    written.write_text(json.dumps(ports))
    written.rename(directory / "ports.json")
    await asyncio.Event().wait()


asyncio.run(main(pathlib.Path(sys.argv[1])))
