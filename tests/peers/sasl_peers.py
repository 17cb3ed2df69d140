# SPDX-License-Identifier: MIT
"""SASL beside GNU SASL's program gsasl, on both sides, message by message. A peer that is missing is a failure."""
import base64
import os
import subprocess
import sys
import threading

sys.dont_write_bytecode = True

from peers import OURS_ASKS, OURS_SERVES, check, failures

SIDE = os.path.join(os.environ["PLAIT_BUILD"], "tests", "auth", "sasl_side")
BINDING = base64.b64encode(b"thirty-two bytes of the channel.").decode()
DIGEST = ["--service", "imap", "--hostname", "host", "--realm", "host", "--quality-of-protection", "qop-auth"]


class Talker:
    """A program that takes and gives lines."""

    def __init__(self, *words):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.watchdog = threading.Timer(30, self.process.kill)
        self.watchdog.start()

    def say(self, line):
        try:
            self.process.stdin.write(line + "\n")
        except OSError:
            pass  # it has ended: what it said last tells why

    def hear(self):
        """The next line without what asks for more in front of it; None at the end."""
        line = self.process.stdout.readline()
        return line.rstrip("\n").rpartition(": ")[2] if line else None

    def end(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        self.process.wait()
        self.watchdog.cancel()
        self.process.stdout.close()


def gsasl(side, mechanism, password):
    peer = Talker("gsasl", "--" + side, "--mechanism", mechanism, "--authentication-id", "user", "--password", password,
                  "--anonymous-token", "trace", "--iteration-count", "4096", "--no-starttls",
                  "--quiet", *(DIGEST if mechanism == "DIGEST-MD5" else []))
    peer.hear()  # the mechanism's name
    return peer


def client_of_ours(mechanism, password="pencil"):
    """Our client, gsasl serves: what our side says last. gsasl says one more line when it is content, and none else."""
    ours = Talker(SIDE, "client", mechanism, *([BINDING] if mechanism.endswith("-PLUS") else []))
    peer = gsasl("server", mechanism, password)
    said = peer.hear()
    heard = None
    first = True
    while said is not None:
        ours.say(said)
        heard = ours.hear()
        if heard is None or heard.startswith("= "):
            break
        peer.say(heard)
        if first and mechanism.endswith("-PLUS"):
            peer.say(BINDING)  # it asks for it now
        first = False
        said = peer.hear()
    peer.end()
    ours.end()
    return heard


def server_of_ours(mechanism, password="pencil"):
    """Our server, gsasl is the client: what our side says last."""
    ours = Talker(SIDE, "server", mechanism, *([BINDING] if mechanism.endswith("-PLUS") else []))
    peer = gsasl("client", mechanism, password)
    if mechanism.startswith("SCRAM"):
        peer.say(BINDING if mechanism.endswith("-PLUS") else "")
        if not mechanism.endswith("-PLUS"):
            peer.say("")
    if mechanism in ("LOGIN", "CRAM-MD5", "DIGEST-MD5"):
        if mechanism != "LOGIN":
            peer.hear()  # nothing yet
        ours.say("")
        peer.say(ours.hear())
    heard = None
    said = peer.hear()
    while said is not None:
        ours.say(said)
        heard = ours.hear()
        if heard is None or heard.startswith("= "):
            break
        peer.say(heard)
        last = heard.startswith(("dj0", "cnNwYXV0aD"))  # v=, rspauth=
        said = "" if last else peer.hear()
        if last:
            heard = ours.hear()
            break
    peer.end()
    ours.end()
    return heard


if __name__ == "__main__":
    for name in sys.argv[1:] or ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "EXTERNAL", "SCRAM-SHA-1",
                                 "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        if name not in ("ANONYMOUS", "EXTERNAL"):  # gsasl lets nobody in by these
            seen = client_of_ours(name)
            check("gsasl", "SASL: " + name, OURS_ASKS, seen == "= done", seen)
            seen = client_of_ours(name, "another")
            check("gsasl", "SASL: %s, a wrong password" % name, OURS_ASKS, seen != "= done", seen)
        seen = server_of_ours(name)
        check("gsasl", "SASL: " + name, OURS_SERVES, seen == "= done", seen)
        if name not in ("ANONYMOUS", "EXTERNAL"):
            seen = server_of_ours(name, "wrong")
            check("gsasl", "SASL: %s, a wrong password" % name, OURS_SERVES, seen == "= failed EACCESS", seen)
    sys.exit(1 if failures else 0)
