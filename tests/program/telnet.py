# SPDX-License-Identifier: MIT
"""plait telnet: on a terminal, whose settings are looked at, and on pipes; every way that a call can end."""
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.dont_write_bytecode = True

from harness import PLAIT, check, finish, folder, run, wrong

SECONDS = 20
WILL_ECHO, WONT_ECHO, DO_TTYPE, DO_NAWS, DO_ENV = (b"\xff\xfb\x01", b"\xff\xfc\x01", b"\xff\xfd\x18", b"\xff\xfd\x1f",
                                                   b"\xff\xfd\x27")


class Host:
    """A telnet server of the test's own, for one call."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        self.port = str(self.listener.getsockname()[1])
        self.heard = b""

    def answer(self):
        self.s = self.listener.accept()[0]
        self.s.settimeout(SECONDS)
        self.listener.close()
        return self

    def until(self, text):
        """Reads until something was said; False when it isn't."""
        while text not in self.heard:
            try:
                more = self.s.recv(65536)
            except OSError:
                return False
            if not more:
                return False
            self.heard += more
        return True

    def end(self):
        """Ends in good order: hears everything, too."""
        self.s.shutdown(socket.SHUT_WR)
        self.until(b"the other side's end")
        self.s.close()

    def reset(self):
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.s.close()


class Screen:
    """plait telnet on a terminal."""

    def __init__(self, *words):
        self.fd, self.tty = pty.openpty()
        self.resize(100, 40)
        self.found = termios.tcgetattr(self.tty)
        self.process = subprocess.Popen([PLAIT, "telnet", *words], stdin=self.tty, stdout=self.tty, stderr=self.tty,
                                        env=dict(os.environ, TERM="xterm"), start_new_session=True)
        self.watchdog = threading.Timer(60, self.process.kill)
        self.watchdog.start()
        self.seen = b""

    def resize(self, columns, rows):
        fcntl.ioctl(self.tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text):
        end = time.monotonic() + SECONDS
        while text not in self.seen and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 65536)
        return text in self.seen

    def type(self, text):
        os.write(self.fd, text)

    def is_raw(self, raw):
        """Whether the terminal comes to be so."""
        for _ in range(SECONDS * 20):
            if bool(termios.tcgetattr(self.tty)[3] & termios.ICANON) != raw:
                return True
            time.sleep(0.05)
        return False

    def end(self):
        """The exit status, and whether the terminal is as it was."""
        status = self.process.wait(SECONDS)
        self.watchdog.cancel()
        same = termios.tcgetattr(self.tty) == self.found
        while select.select([self.fd], [], [], 0)[0]:
            self.seen += os.read(self.fd, 65536)
        os.close(self.fd)
        os.close(self.tty)
        return status, same


def call(*words):
    """A call on a terminal that has begun: (host, screen)."""
    host = Host()
    screen = Screen(*words, "127.0.0.1", host.port)
    host.answer()
    check("a call begins", screen.until(b"Connected. ^] ends the call.\r\n"), screen.seen)
    return host, screen


host, screen = call("-l", "ann")
screen.type(b"hello\n")
check("a line goes out with CR LF", host.until(b"hello\r\n"), host.heard)
check("the terminal has shown it", screen.until(b"hello\r\n") and screen.is_raw(False), screen.seen)
host.s.sendall(DO_TTYPE + b"\xff\xfa\x18\x01\xff\xf0" + DO_NAWS + DO_ENV + b"\xff\xfa\x27\x01\xff\xf0")
check("the terminal's name", host.until(b"\xff\xfa\x18\0XTERM\xff\xf0"), host.heard)
check("the window", host.until(b"\xff\xfa\x1f\0\x64\0\x28\xff\xf0"), host.heard)
check("the user", host.until(b"\xff\xfa\x27\0\0USER\x01ann\xff\xf0"), host.heard)
screen.resize(132, 50)
screen.process.send_signal(signal.SIGWINCH)
check("the window again", host.until(b"\xff\xfa\x1f\0\x84\0\x32\xff\xf0"), host.heard)
host.s.sendall(WILL_ECHO)
check("an echo of the server's makes it raw", screen.is_raw(True))
screen.type(b"k\x03\r")
check("keys go out as they are", host.until(b"k\x03\r\0"), host.heard)
host.s.sendall(WONT_ECHO)
check("without it there are lines", screen.is_raw(False))
host.s.sendall(WILL_ECHO + b"good bye\r\n")
check("raw again", screen.is_raw(True) and screen.until(b"good bye\r\n"), screen.seen)
host.end()
check("the server ends: 0, and the terminal is as it was", screen.end() == (0, True), screen.seen)

host, screen = call()
host.s.sendall(WILL_ECHO)
check("raw", screen.is_raw(True))
screen.type(b"x\x1dy")
check("what stands before ^] is sent", host.until(b"x") and not host.until(b"y"), host.heard)
host.s.close()
check("^] ends it: 0, and the terminal is as it was", screen.end() == (0, True), screen.seen)

host, screen = call()
host.s.sendall(WILL_ECHO)
check("raw", screen.is_raw(True))
host.reset()
status, same = screen.end()
check("a reset: 1, and the terminal is as it was", status == 1 and same and b"reset" in screen.seen, screen.seen)

for signo in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT:
    host, screen = call()
    host.s.sendall(WILL_ECHO)
    check("raw", screen.is_raw(True))
    screen.process.send_signal(signo)
    check("%s: 0, and the terminal is as it was" % signo.name, screen.end() == (0, True), screen.seen)
    host.s.close()


# --- pipes ----------------------------------------------------------------------------------------------------------

def piped(*words, stdout=subprocess.PIPE):
    return subprocess.Popen([PLAIT, "telnet", *words], stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE)


host = Host()
p = piped("127.0.0.1", host.port)
host.answer()
host.s.sendall(DO_TTYPE + DO_NAWS + WILL_ECHO + b"caf\xff\xff\r\n")
p.stdin.write(b"one\ntwo\x1d\xff")
p.stdin.close()
check("a pipe's lines, and its end", host.until(b"one\r\ntwo\x1d\xff\xff") and not host.until(b"never"), host.heard)
check("there is no terminal to tell of", b"\xff\xfc\x18" in host.heard and b"\xff\xfc\x1f" in host.heard, host.heard)
host.s.sendall(b"the answer\r\n")
host.end()
check("what comes after our end is printed", p.stdout.read() == b"caf\xff\r\nthe answer\r\n" and p.wait(SECONDS) == 0)

# A server that takes nothing for a while, then says much to somebody who takes nothing for a while.
much = b"0123456789abcde\n" * (1 << 18)
host = Host()
p = piped("127.0.0.1", host.port)
host.answer()
writer = threading.Thread(target=lambda: (p.stdin.write(much), p.stdin.close()))
writer.start()
time.sleep(0.5)
check("much goes out", host.until(b"never") is False and host.heard == much.replace(b"\n", b"\r\n"), len(host.heard))
writer.join()
sender = threading.Thread(target=lambda: (host.s.sendall(much), host.s.close()))
sender.start()
time.sleep(0.5)
got = p.stdout.read()
sender.join()
check("much comes in", got == much and p.wait(SECONDS) == 0, len(got))

host = Host()
p = piped("127.0.0.1", host.port)
host.answer()
p.stdout.close()
try:
    for _ in range(100):
        host.s.sendall(b"is anybody there?\r\n")
        time.sleep(0.05)
except OSError:
    pass
err = p.stderr.read()
check("nobody reads what is printed", p.wait(SECONDS) == 1 and b"standard output" in err, err)

with folder() as where:
    host = Host()
    host.listener.close()
    host.listener = socket.socket(socket.AF_UNIX)
    host.listener.bind(where + "/socket")
    host.listener.listen()
    host.listener.settimeout(SECONDS)
    p = piped("--endpoint", "unix:" + where + "/socket")
    host.answer().s.sendall(b"over a UNIX socket")
    host.s.close()
    check("an endpoint", p.stdout.read() == b"over a UNIX socket" and p.wait(SECONDS) == 0)
    wrong("nobody there", ["telnet", "-e", "unix:" + where + "/none"], where + "/none", status=1)

wrong("a host that refuses", ["telnet", "127.0.0.1", "1"], "127.0.0.1: connect: ", status=1)
wrong("an endpoint that is none", ["telnet", "-e", "nonsense"], "nonsense: ", status=1)
wrong("nobody", ["telnet"], "whom to call?")
wrong("two of them", ["telnet", "a", "-e", "unix:b"], "whom to call?")
wrong("a host behind an endpoint", ["telnet", "-e", "unix:b", "a"], "'a' is not understood")
wrong("no user", ["telnet", "a", "-l"], "--user wants a name")
wrong("no endpoint", ["telnet", "-e"], "--endpoint wants an endpoint")
for port in "0", "65536", "x":
    wrong("port " + port, ["telnet", "a", port], "a port is a number of 1 to 65535")
wrong("more words", ["telnet", "a", "1", "2"], "'2' is not understood")
wrong("another option", ["telnet", "--fast"], "'--fast' is not understood")
status, out, _ = run("telnet", "--help")
check("--help", status == 0 and b"--endpoint ENDPOINT" in out, out)
finish()
