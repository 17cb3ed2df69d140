# SPDX-License-Identifier: MIT
"""plait serve program: over pipes, with the socket itself, over TLS and UNIX sockets; limits, ends, wrong words."""
import os
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True

from harness import Server, check, finish, folder, talk, wrong


def ends(pid):
    """Whether a process goes soon."""
    for _ in range(200):
        if not os.path.exists("/proc/%d" % pid):
            return True
        time.sleep(0.05)
    return False


def hears(port):
    """What somebody hears who says nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as c:
            c.settimeout(10)
            return c.recv(100)
    except ConnectionResetError:
        return "reset"


os.environ["MARK"] = "inherited"
serve = ["serve", "program", "--listen", "tcp:0"]
for more in [], ["--socket"]:
    with Server(*serve, *more, "--run", "cat; echo $MARK $PROTO $TCPREMOTEIP $TCPLOCALPORT") as s:
        port = s.port("program")
        got = talk(port, b"hello\n")
        check("what comes goes back", got == b"hello\ninherited TCP 127.0.0.1 %d\n" % port, got)
        check("much", talk(port, b"x" * 3000000, most=1 << 24).startswith(b"x" * 3000000))
        status, said = s.end()
        check("the end", status == 0 and "WARN" not in said, said)
    with Server(*serve, *more, "--run", "echo $$; echo 'a complaint' >&2; exec sleep 100") as s:
        with socket.create_connection(("127.0.0.1", s.port("program")), 10) as c:
            first = int(c.makefile().readline())
        with socket.create_connection(("127.0.0.1", s.port("program")), 10) as c:
            pid = int(c.makefile().readline())
            if not more:  # a program with the socket sees for itself that the guest is gone
                c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                c.close()
                check("a reset ends the program", ends(pid))
        check("half an end does not", os.path.exists("/proc/%d" % first))
        status, said = s.end()
        check("a drain ends it", status == 0 and ends(first) and ends(pid), said)
        check("complaints", "line=\"a complaint\"" in said, said)

with Server(*serve, "--pty", "--run", "stty -echo; echo ready; read x; echo $x; tty; stty size; cat") as s:
    port = s.port("program")
    with socket.create_connection(("127.0.0.1", port), 10) as c:
        lines = c.makefile("rb")
        check("a terminal", lines.readline() == b"ready\r\n")
        c.sendall(b"word\nmore\n")
        got = [lines.readline() for _ in range(4)]
        check("which is one", got[0] == b"word\r\n" and got[1].startswith(b"/dev/pts/") and got[3] == b"more\r\n", got)
        check("of the usual size", got[2] == b"24 80\r\n", got)
        c.shutdown(socket.SHUT_WR)
        check("ends with Ctrl-D", lines.read() == b"")
    with socket.create_connection(("127.0.0.1", port), 10) as c:
        lines = c.makefile("rb")
        check("another", lines.readline() == b"ready\r\n")
        c.sendall(b"\3")
        check("Ctrl-C is heard", lines.read() == b"")
        time.sleep(0.5)  # a guest that went first would be the reason for the end
    _, said = s.end()
    check("and told", "status=-2" in said, said)

with Server(*serve, "--run", "echo first; exec sleep 100", "--at-once", "1", "--life", "1", "--kill-after", "1",
            "--idle", "50") as s:
    port = s.port("program")
    with socket.create_connection(("127.0.0.1", port), 10) as c:
        check("one at once", c.recv(100) == b"first\n")
        check("is all", hears(port) in ("reset", b""))
        c.settimeout(10)
        check("for a second", c.recv(100) == b"")
    _, said = s.end()
    check("which is told", "too many connections" in said and "ran for as long as it may" in said, said)

with Server(*serve, "--run", "exec sleep 100", "--idle=1") as s:
    check("silence", hears(s.port("program")) == "reset")
    s.end()

with folder() as where:
    with Server("serve", "program", "--run", "echo $PROTO $IPCREMOTEEUID", "--listen", "unix:" + where + "/s") as s:
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(where + "/s")
            got = c.recv(100)
            check("a UNIX socket", got == b"IPC %d\n" % os.geteuid(), got)
        s.end(signal.SIGINT)

wrong("no program", serve, "which program? --run COMMAND")
wrong("an empty one", serve + ["--run", ""], "which program? --run COMMAND")
for name in "at-once", "idle", "life", "kill-after":
    wrong("--" + name, serve + ["--run", "x", "--" + name, "0"], "--%s wants a number, at least one" % name)
wrong("two ways", serve + ["--run", "x", "--socket", "--pty"], "--socket and --pty don't go together")
wrong("a word", serve + ["--run", "x", "--idle", "long"], "--idle wants a number, at least one")
wrong("another option", serve + ["--exec", "x"], "'--exec' is neither an option nor a service")
wrong("--run without a value", serve + ["--run"], "the last option lacks its value")
finish()
