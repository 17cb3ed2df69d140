# SPDX-License-Identifier: MIT
"""Telnet beside programs that nobody here wrote: inetutils' telnet and PuTTY's plink, each on a terminal, Twisted on
both sides, netcat. A peer that is missing is a failure."""
import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

from peers import OURS_ASKS, OURS_SERVES, Running, check, failures, free_port, must, output, wait_port

EXAMPLE = os.path.join(os.environ["PLAIT_BUILD"], "examples", "telnet")
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
SECONDS = 20


class Terminal:
    """A program on a terminal of 100 columns and 40 rows, whose screen and keyboard are ours."""

    def __init__(self, *words, **more):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", **more)
            time.sleep(0.2)  # until the window has its size
            os.execvp(words[0], words)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))

    def until(self, text):
        """Reads until a text is there; False when it does not come."""
        end = time.monotonic() + SECONDS
        while text not in self.seen and time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.5)[0]:
                continue
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:  # the program has ended
                break
        return text in self.seen

    def type(self, text):
        os.write(self.fd, text)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self):
        """Whether it ends by itself."""
        for _ in range(SECONDS * 10):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                os.close(self.fd)
                return True
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    time.sleep(0.1)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return False


def converse(peer, screen, newline):
    """What holds for any client with a person before it."""
    check(peer, "telnet: TTYPE", OURS_SERVES, screen.until(b"terminal: XTERM"), screen.seen)
    check(peer, "telnet: NAWS", OURS_SERVES, screen.until(b"window: 100 x 40"), screen.seen)
    screen.type(b"hello there" + newline)
    check(peer, "telnet: lines", OURS_SERVES, screen.until(b"you said: hello there\r\n"), screen.seen)
    screen.resize(132, 50)
    check(peer, "telnet: NAWS again when the window changes", OURS_SERVES, screen.until(b"window: 132 x 50"),
          screen.seen)


def inetutils(port):
    screen = Terminal("telnet", "-l", "ann", "127.0.0.1", str(port))
    converse("inetutils' telnet", screen, b"\r")
    check("inetutils' telnet", "telnet: NEW-ENVIRON", OURS_SERVES, screen.until(b"user: ann"), screen.seen)
    screen.type(b"\x1d")
    screen.until(b"telnet> ")
    screen.type(b"send ayt\r")
    check("inetutils' telnet", "telnet: AYT", OURS_SERVES, screen.until(b"yes, I am here"), screen.seen)
    screen.type(b"bye\r")
    check("inetutils' telnet", "telnet: the server's end", OURS_SERVES, screen.end() and b"good bye" in screen.seen,
          screen.seen)


def plink(port):
    screen = Terminal("plink", "-telnet", "-P", str(port), "-l", "ann", "127.0.0.1")
    converse("PuTTY's plink", screen, b"\r")
    check("PuTTY's plink", "telnet: NEW-ENVIRON", OURS_SERVES, screen.until(b"user: ann"), screen.seen)
    screen.type(b"bye\r")
    check("PuTTY's plink", "telnet: the server's end", OURS_SERVES, screen.end() and b"good bye" in screen.seen,
          screen.seen)


def twisted(port):
    heard = output(PYTHON, os.path.join(HERE, "twisted_telnet.py"), "ask", str(port))
    check("Twisted", "telnet: NAWS", OURS_SERVES, b"window: 255 x 24\n" in heard, heard)
    check("Twisted", "telnet: data with a byte of 255", OURS_SERVES, b"you said: one\xfftwo\n" in heard, heard)
    check("Twisted", "telnet: AYT", OURS_SERVES, b"yes, I am here\n" in heard, heard)
    check("Twisted", "telnet: the server's end", OURS_SERVES, heard.endswith(b"good bye\n"), heard)
    with Running(PYTHON, os.path.join(HERE, "twisted_telnet.py"), "serve") as server:
        heard = output(EXAMPLE, "tcp:127.0.0.1:" + server.stdout.readline().strip(), "hello")
    check("Twisted", "telnet: NAWS", OURS_ASKS, b"window 00500018\r\n" in heard, heard)
    check("Twisted", "telnet: ECHO", OURS_ASKS, b"echo True\r\n" in heard, heard)
    check("Twisted", "telnet: lines", OURS_ASKS, b"line olleh\r\n" in heard, heard)
    check("Twisted", "telnet: data with a byte of 255, a lone CR", OURS_ASKS, heard.endswith(b"\xff\r"), heard)


def netcat(port):
    """Somebody who does not negotiate at all."""
    heard = output("nc", "127.0.0.1", str(port), data=b"hello\r\nbye\r\n")
    check("nc", "telnet: lines without any negotiation", OURS_SERVES,
          heard.endswith(b"you said: hello\r\ngood bye\r\n"), heard)


missing = [name for name in ("telnet", "plink", "nc", PYTHON) if not shutil.which(name)]
must("all peers are there", not missing, missing)
must("Twisted is there", subprocess.run([PYTHON, "-c", "import twisted.conch"], capture_output=True).returncode == 0)
if not failures:
    port = free_port()
    with Running(EXAMPLE, "tcp:%d" % port):
        wait_port(port)
        inetutils(port)
        plink(port)
        twisted(port)
        netcat(port)
sys.exit(1 if failures else 0)
