# SPDX-License-Identifier: MIT
"""plait fetch and plait finger, against the program's own services and Python's."""
import http.server
import os
import resource
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True

from harness import PLAIT, Server, check, finish, folder, run


class Echo(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = "%s %s %s" % (self.command, self.headers.get("X-One", "-"), body.decode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *words):
        pass


def one_answer(answer):
    """A server for one connection that answers with bytes; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        s, _ = listener.accept()
        s.recv(1000)
        s.sendall(answer)
        s.close()
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


with folder() as where:
    with open(os.path.join(where, "data"), "wb") as file:
        file.write(bytes(range(256)) * 1000)
    with open(os.path.join(where, "people"), "w") as file:
        file.write("ann:Ann Example:To rest\n")
    table = os.path.join(where, "people")
    with Server("serve", "web", "--root", where, "--listen", "tcp:0", "finger", "--table", table, "--listen", "tcp:0",
                lines=2) as s:
        base = "http://127.0.0.1:%d/" % s.port("web")
        whole = bytes(range(256)) * 1000
        code, out, err = run("fetch", base + "data")
        check("fetch to standard output", code == 0 and out == whole and err == "", (code, len(out), err))
        into = os.path.join(where, "copy")
        code, out, err = run("fetch", "-o", into, base + "data")
        check("fetch to a file", code == 0 and not out and open(into, "rb").read() == whole, (code, out, err))
        code, out, err = run("fetch", "--include", "-H", "Range: bytes=1-3", base + "data")
        shown = out.startswith(b"206 ") and out.endswith(b"\n\n\x01\x02\x03")
        check("fetch with a header, and the head shown", shown, out)
        code, out, err = run("fetch", base + "nothing")
        check("fetch of what is not there", code == 1 and "404" in err and len(err.splitlines()) == 1, (code, err))
        code, out, err = run("fetch", "-o", "/dev/full", base + "data")
        check("fetch to a full disk", code == 1 and len(err.splitlines()) == 1, (code, err))

        port = str(s.port("finger"))
        code, out, err = run("finger", "ann@127.0.0.1", "--port", port)
        check("finger", code == 0 and out == b"Login: ann\nName: Ann Example\nPlan:\nTo rest\n", (code, out, err))
        code, out, err = run("finger", "-l", "-p", port, "@127.0.0.1")
        check("finger lists at length", code == 0 and b"Login: ann" in out, (code, out, err))
        code, out, err = run("finger", "ann", "--port=" + port)
        check("finger of this host", code == 0 and b"Ann" in out, (code, out, err))

    echo = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    base = "http://127.0.0.1:%d/" % echo.server_address[1]
    check("fetch gets", run("fetch", "-H", "X-One:  1", base)[1] == b"GET 1 ")
    check("fetch posts data", run("fetch", "-d", "body", base)[1] == b"POST - body")
    check("fetch with a method", run("fetch", "-X", "PUT", "--data", "body", base)[1] == b"PUT - body")
    check("fetch refuses too many headers", run("fetch", *["-H", "a: b"] * 33, base)[0] == 2)
    echo.shutdown()

    # On a terminal, a line tells how far it is.
    with_length, without = b"Content-Length: 5\r\n\r\nwhole", b"\r\nwhole"
    for answer, parts in ((with_length, (b"100%", b"5 of 5 bytes")), (without, (b"5 bytes",))):
        port = one_answer(b"HTTP/1.0 200 OK\r\n" + answer)
        master, slave = os.openpty()
        done = subprocess.run([PLAIT, "fetch", "-o", into, "http://127.0.0.1:%d/" % port], stderr=slave, timeout=30)
        os.close(slave)
        told = os.read(master, 10000)
        os.close(master)
        check("fetch on a terminal", done.returncode == 0 and all(p in told for p in parts), told)

    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))}
    for words in (["fetch", "http://h/"], ["finger", "x@y"], ["serve", "echo"], ["up"]):
        code, out, err = run(*words, **few)
        check(words[0] + " without descriptors", code == 1 and not out and len(err.splitlines()) == 1, (code, out, err))

    short = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
    code, out, err = run("fetch", "http://127.0.0.1:%d/" % short)
    check("fetch tells of half an answer", code == 1 and out == b"short" and "whole" in err, (code, out, err))
    bad = one_answer(b"\x1b[2Jplan\r\n")
    code, out, err = run("finger", "x@127.0.0.1", "--port", str(bad))
    check("finger shows what a terminal would obey", out == b"\\x1b[2Jplan\n", out)
    full = one_answer(b"x" * 70000)
    code, out, err = run("finger", "@")
    check("finger says what a target is", code == 1 and "USER@HOST" in err, (code, err))
    code, out, err = run("finger", "x@127.0.0.1", "--port", str(full))
    check("finger refuses an endless answer", code == 1 and "longer than allowed" in err, (code, err))
finish()
