"""Takes every mail and keeps it below a folder, one JSON file each, decoded by Python's own `email`. Usage: sink.py PORT FOLDER

An address that begins with `refused` is refused for good, one that begins with `later` for now. Whoever signs in is `tertulia`
with the password `hush`.
"""

import asyncio
import email
import json
import os
import sys
from email.policy import default
from email.utils import parsedate_to_datetime

from aiosmtpd.smtp import SMTP, AuthResult

port, folder = int(sys.argv[1]), sys.argv[2]
os.makedirs(folder, exist_ok=True)


def body(message, kind):
    part = message.get_body(preferencelist=(kind,))
    return part.get_content() if part else None


def keep(envelope):
    message = email.message_from_bytes(envelope.content, policy=default)
    mail = {
        "envelope_from": envelope.mail_from,
        "envelope_to": envelope.rcpt_tos,
        "from": str(message["from"]),
        "to": str(message["to"]),
        "subject": str(message["subject"]),
        "message_id": str(message["message-id"]),
        "date_s": int(parsedate_to_datetime(str(message["date"])).timestamp()),
        "headers": sorted({name.lower() for name in message.keys()}),
        "text": body(message, "plain"),
        "html": body(message, "html"),
    }
    number = len(os.listdir(folder))
    path = os.path.join(folder, f"{number:06}.json")
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(mail, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".part", path)


class Sink:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 there is no such mailbox"
        if address.startswith("later"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        keep(envelope)
        return "250 kept"


def sign_in(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"tertulia" and data.password == b"hush")


async def main():
    loop = asyncio.get_running_loop()
    sink = Sink()
    protocol = lambda: SMTP(sink, authenticator=sign_in, auth_require_tls=False, hostname="sink", loop=loop)
    server = await loop.create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
