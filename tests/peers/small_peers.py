# SPDX-License-Identifier: MIT
"""The small services, finger and the framings beside programs that nobody here wrote: Debian's finger, netcat, socat,
Twisted. A peer that is missing is a failure."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["PLAIT_BUILD"]
PLAIT = os.environ["PLAIT"]
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
LOOPBACK = "127.0.0.79"  # the finger program knows no other port than 79: an address that nobody else uses
failures = []


def check(what, holds, seen=""):
    print(("ok   " if holds else "FAIL ") + what)
    if not holds:
        failures.append(what)
        print("     saw: %r" % (seen,))


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
    def __init__(self, *words):
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self.process

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait()


def may_use_port_79():
    """Port 79 belongs to root; anybody is root in a namespace of his own, in which this starts anew."""
    try:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier run's connections may still linger
            s.bind((LOOPBACK, 79))
    except PermissionError:
        if "PLAIT_UNSHARED" in os.environ:
            raise
        os.environ["PLAIT_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable,
                              os.path.abspath(__file__)])


def finger_program():
    with tempfile.TemporaryDirectory(prefix="plait-test-") as where:
        table = os.path.join(where, "people")
        with open(table, "w") as file:
            file.write("ann:Ann Example:To rest\nbob:Bob:\n")
        with Running(PLAIT, "serve", "finger", "--table", table, "--listen", "tcp:79:interface=" + LOOPBACK):
            wait_port(79, LOOPBACK)
            ann = output("finger", "ann@" + LOOPBACK)
            check("finger asks for a user", b"Name: Ann Example" in ann and b"To rest" in ann, ann)
            ann = output("finger", "-l", "ann@" + LOOPBACK)
            check("finger -l sends /W", b"Name: Ann Example" in ann, ann)
            both = output("finger", "@" + LOOPBACK)
            check("finger lists everybody", b"ann" in both and b"bob" in both, both)
            denied = output("finger", "ann@elsewhere@" + LOOPBACK)
            check("finger is refused forwarding", b"forwarding service denied" in denied, denied)


def finger_of_twisted():
    with Running(PYTHON, os.path.join(HERE, "twisted_side.py"), "finger") as server:
        port = server.stdout.readline().strip()
        ann = output(PLAIT, "finger", "ann@127.0.0.1", "--port", port)
        check("our finger asks Twisted's", ann == b"User: ann\n\\x1b[2J", ann)
        ann = output(PLAIT, "finger", "-l", "ann@127.0.0.1", "--port", port)
        check("Twisted's understands our /W", ann.startswith(b"User: ann at length\n"), ann)


def framings_of_twisted():
    for name in ("lines", "netstrings", "int8", "int16", "int32"):
        port = free_port()
        with Running(os.path.join(BUILD, "examples", "framed"), "tcp:%d" % port, name):
            wait_port(port)
            said = output(PYTHON, os.path.join(HERE, "twisted_side.py"), name, str(port))
            check("Twisted's frames come back: " + name, said == b"same\n", said)


def netcat_and_socat():
    ports = {name: str(free_port()) for name in ("echo", "daytime", "qotd", "netstring", "discard")}
    words = [w for name, port in ports.items() for w in (name, "--listen", "tcp:" + port)]
    with tempfile.TemporaryDirectory(prefix="plait-test-") as where:
        local = os.path.join(where, "socket")
        udp = str(free_port())
        with Running(PLAIT, "serve", *words, "echo", "--listen", "unix:" + local, "--listen", "udp:" + udp):
            for port in ports.values():
                wait_port(int(port))
            much = os.urandom(3 << 20)
            check("nc and echo", output("nc", "-N", "127.0.0.1", ports["echo"], data=much) == much)
            check("nc and daytime", b"-UTC\r\n" in output("nc", "-d", "127.0.0.1", ports["daytime"]))
            check("nc and qotd", output("nc", "-d", "127.0.0.1", ports["qotd"]).endswith(b"\r\n"))
            back = output("nc", "-N", "127.0.0.1", ports["netstring"], data=b"5:hello,0:,")
            check("nc and netstrings", back == b"5:hello,0:,", back)
            check("nc and discard", output("nc", "-N", "127.0.0.1", ports["discard"], data=much) == b"")
            check("nc and a UNIX socket", output("nc", "-N", "-U", local, data=b"local") == b"local")
            back = output("nc", "-u", "-w", "1", "127.0.0.1", udp, data=b"back")
            check("nc and datagrams", back == b"back", back)
            back = output("socat", "-t5", "-", "TCP:127.0.0.1:" + ports["echo"], data=much)
            check("socat and echo", back == much, len(back))
            check("socat and daytime", b"-UTC" in output("socat", "-u", "TCP:127.0.0.1:" + ports["daytime"], "-"))
            back = output("socat", "-t1", "-", "UDP:127.0.0.1:" + udp, data=b"back")
            check("socat and datagrams", back == b"back", back)
            back = output("socat", "-t5", "-", "UNIX-CONNECT:" + local, data=much)
            check("socat and a UNIX socket", back == much, len(back))


missing = [name for name in ("finger", "nc", "socat", "unshare", PYTHON) if not shutil.which(name)]
check("all peers are there", not missing, missing)
check("Twisted is there", subprocess.run([PYTHON, "-c", "import twisted"], capture_output=True).returncode == 0)
if not failures:
    may_use_port_79()
    finger_program()
    finger_of_twisted()
    framings_of_twisted()
    netcat_and_socat()
sys.exit(1 if failures else 0)
