# SPDX-License-Identifier: MIT
"""What the tests of the program share: running it, waiting for the lines that it prints, counting what failed."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

PLAIT = os.environ["PLAIT"]
failures = []


def check(what, holds, seen=""):
    print(("ok   " if holds else "FAIL ") + what)
    if not holds:
        failures.append(what)
        print("     saw: %r" % (seen,))


def finish():
    sys.exit(1 if failures else 0)


def run(*words, **more):
    """Runs the program to its end: (status, output, errors)."""
    done = subprocess.run([PLAIT, *words], capture_output=True, timeout=30, **more)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def wrong(what, words, *parts, status=2):
    """The program refuses: its status, one line on standard error and nothing else, and what must stand in it."""
    code, out, err = run(*words)
    lines = err.splitlines()
    well = code == status and not out and len(lines) == 1 and all(part in err for part in parts)
    check(what, well, (code, out, err))


class Server:
    """plait serve …; `lines` is what it printed first, `rest` what it printed later, `port(name)` the port in a
    service's line."""

    def __init__(self, *words, lines=1):
        self.process = subprocess.Popen([PLAIT, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(60, self.process.kill)
        self.watchdog.start()
        self.lines = [self.process.stdout.readline() for _ in range(lines)]

    def port(self, name, carrier=""):
        for line in self.lines:
            if line.startswith(name + " ") and carrier in line:
                return int(re.search(r":(\d+)/?\s*$", line).group(1))
        raise SystemExit("no line of %s in %r: %s" % (name, self.lines, self.end(signal.SIGKILL)))

    def end(self, *signals):
        """Ends it: (status, errors)."""
        for signo in signals or (signal.SIGTERM,):
            self.process.send_signal(signo)
        try:
            self.rest, err = self.process.communicate(timeout=30)
        finally:
            self.watchdog.cancel()
        return self.process.returncode, err

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.watchdog.cancel()


def talk(port, data=b"", shut=True, most=1 << 20):
    """Says something over TCP and hears the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(10)
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while len(got) < most:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
        return got


def ask_datagram(port, data, wait=3.0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(wait)
        s.sendto(data, ("127.0.0.1", port))
        try:
            return s.recv(65536)
        except socket.timeout:
            return None


def folder():
    return tempfile.TemporaryDirectory(prefix="plait-test-")
