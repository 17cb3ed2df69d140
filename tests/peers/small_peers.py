# SPDX-License-Identifier: MIT
"""The small services, finger and the framings beside programs that nobody here wrote: Debian's finger, netcat, socat,
Twisted. A peer that is missing is a failure."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

from peers import OURS_ASKS, OURS_SERVES, Running, check, failures, free_port, must, output, wait_port

BUILD = os.environ["PLAIT_BUILD"]
PLAIT = os.environ["PLAIT"]
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
LOOPBACK = "127.0.0.79"  # the finger program knows no other port than 79: an address that nobody else uses
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
            check("finger", "finger: one user", OURS_SERVES, b"Name: Ann Example" in ann and b"To rest" in ann, ann)
            ann = output("finger", "-l", "ann@" + LOOPBACK)
            check("finger", "finger: /W", OURS_SERVES, b"Name: Ann Example" in ann, ann)
            both = output("finger", "@" + LOOPBACK)
            check("finger", "finger: list of users", OURS_SERVES, b"ann" in both and b"bob" in both, both)
            denied = output("finger", "ann@elsewhere@" + LOOPBACK)
            check("finger", "finger: forwarding is refused", OURS_SERVES,
                  b"forwarding service denied" in denied, denied)


def finger_of_twisted():
    with Running(PYTHON, os.path.join(HERE, "twisted_side.py"), "finger") as server:
        port = server.stdout.readline().strip()
        ann = output(PLAIT, "finger", "ann@127.0.0.1", "--port", port)
        check("Twisted", "finger: one user, control characters made visible", OURS_ASKS,
              ann == b"User: ann\n\\x1b[2J", ann)
        ann = output(PLAIT, "finger", "-l", "ann@127.0.0.1", "--port", port)
        check("Twisted", "finger: /W", OURS_ASKS, ann.startswith(b"User: ann at length\n"), ann)


def framings_of_twisted():
    for name in ("lines", "netstrings", "int8", "int16", "int32"):
        port = free_port()
        with Running(os.path.join(BUILD, "examples", "framed"), "tcp:%d" % port, name):
            wait_port(port)
            said = output(PYTHON, os.path.join(HERE, "twisted_side.py"), name, str(port))
            check("Twisted", "framing: " + name, OURS_SERVES, said == b"same\n", said)


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
            check("nc", "echo", OURS_SERVES, output("nc", "-N", "127.0.0.1", ports["echo"], data=much) == much)
            check("nc", "daytime", OURS_SERVES, b"-UTC\r\n" in output("nc", "-d", "127.0.0.1", ports["daytime"]))
            check("nc", "qotd", OURS_SERVES, output("nc", "-d", "127.0.0.1", ports["qotd"]).endswith(b"\r\n"))
            back = output("nc", "-N", "127.0.0.1", ports["netstring"], data=b"5:hello,0:,")
            check("nc", "netstring echo", OURS_SERVES, back == b"5:hello,0:,", back)
            check("nc", "discard", OURS_SERVES, output("nc", "-N", "127.0.0.1", ports["discard"], data=much) == b"")
            check("nc", "echo over a UNIX socket", OURS_SERVES,
                  output("nc", "-N", "-U", local, data=b"local") == b"local")
            back = output("nc", "-u", "-w", "1", "127.0.0.1", udp, data=b"back")
            check("nc", "echo over UDP", OURS_SERVES, back == b"back", back)
            back = output("socat", "-t5", "-", "TCP:127.0.0.1:" + ports["echo"], data=much)
            check("socat", "echo", OURS_SERVES, back == much, len(back))
            check("socat", "daytime", OURS_SERVES,
                  b"-UTC" in output("socat", "-u", "TCP:127.0.0.1:" + ports["daytime"], "-"))
            back = output("socat", "-t1", "-", "UDP:127.0.0.1:" + udp, data=b"back")
            check("socat", "echo over UDP", OURS_SERVES, back == b"back", back)
            back = output("socat", "-t5", "-", "UNIX-CONNECT:" + local, data=much)
            check("socat", "echo over a UNIX socket", OURS_SERVES, back == much, len(back))


missing = [name for name in ("finger", "nc", "socat", "unshare", PYTHON) if not shutil.which(name)]
must("all peers are there", not missing, missing)
must("Twisted is there", subprocess.run([PYTHON, "-c", "import twisted"], capture_output=True).returncode == 0)
if not failures:
    may_use_port_79()
    finger_program()
    finger_of_twisted()
    framings_of_twisted()
    netcat_and_socat()
sys.exit(1 if failures else 0)
