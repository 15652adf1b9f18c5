"""Reads a mail from standard input with Python's email package and tells what it found, as JSON.

A second opinion: the gateway writes mails with code of its own, and reads them with its own too.
"""
import base64
import email
import email.policy
import json
import sys

mail = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
text = html = None
files = []
defects = [str(type(d).__name__) for part in mail.walk() for d in part.defects]
for part in mail.walk():
    if part.is_multipart():
        continue
    content = part.get_payload(decode=True)
    if part.get_content_disposition() == "attachment":
        files.append({"name": part.get_filename(), "type": part.get_content_type(),
                      "content": base64.b64encode(content).decode()})
    elif part.get_content_type() == "text/plain" and text is None:
        text = content.decode(part.get_content_charset("ascii"))
    elif part.get_content_type() == "text/html" and html is None:
        html = content.decode(part.get_content_charset("ascii"))
for value in mail.values():
    defects += [str(type(d).__name__) for d in getattr(value, "defects", ())]
date = mail["Date"].datetime if mail["Date"] else None
json.dump({
    "names": [name for name in mail.keys()],
    "headers": {name.lower(): str(value) for name, value in mail.items()},
    "date": int(date.timestamp()) if date else 0,
    "from": [[a.display_name, a.addr_spec] for a in mail["From"].addresses],
    "to": [[a.display_name, a.addr_spec] for a in mail["To"].addresses],
    "text": text, "html": html, "files": files, "defects": defects}, sys.stdout)
