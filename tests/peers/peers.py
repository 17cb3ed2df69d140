# SPDX-License-Identifier: MIT
"""What the tests beside other people's programs share. Each thing that was seen working is a row of docs/peers.md:
where $PLAIT_PEERS_OUT names a file, the rows are added to it, and tools/peers makes the page of them."""
import os
import socket
import subprocess
import time

OURS_SERVES, OURS_ASKS = "our server", "our client"
failures = []


def check(peer, what, side, holds, seen=""):
    """One thing that a peer was seen doing with our server or our client. Peer None: this test's own bytes, no row."""
    print("%s %s, %s: %s" % ("ok  " if holds else "FAIL", peer or "raw bytes", side, what))
    if not holds:
        failures.append(what)
        print("     saw: %r" % (seen,))
    elif peer and "PLAIT_PEERS_OUT" in os.environ:
        with open(os.environ["PLAIT_PEERS_OUT"], "a") as out:
            out.write("%s\t%s\t%s\n" % (peer, side, what))


def must(what, holds, seen=""):
    """What has to hold before there is anything to see; no row of the page."""
    if not holds:
        failures.append(what)
        print("FAIL %s\n     saw: %r" % (what, seen))


def output(*words, data=b""):
    done = subprocess.run(words, input=data, capture_output=True, timeout=40)
    return done.stdout + done.stderr


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, host="127.0.0.1"):
    for _ in range(100):
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nothing listens on port %d" % port)


class Running:
    """A program that runs while the block does."""

    def __init__(self, *words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL):
        self.process = subprocess.Popen(words, stdout=stdout, stderr=stderr, text=True)

    def __enter__(self):
        return self.process

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait()
