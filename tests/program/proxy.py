# SPDX-License-Identifier: MIT
"""plait serve proxy: requests and tunnels through it, where nobody may go, who may come; wrong values are told in one
line."""
import base64
import os
import socket
import sys

sys.dont_write_bytecode = True

from harness import Server, check, finish, folder, wrong

ANN = "Proxy-Authorization: Basic " + base64.b64encode(b"ann:secret").decode() + "\r\n"


def say(port, text, then=""):
    """What comes for a request, and for what is sent behind its answer's head."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        s.sendall(text.encode())
        got = b""
        while b"\r\n\r\n" not in got:
            piece = s.recv(65536)
            if not piece:
                return got.decode()
            got += piece
        if then:
            s.sendall(then.encode())
            while b"a page" not in got:
                got += s.recv(65536)
        return got.decode()


with folder() as where:
    with open(os.path.join(where, "page"), "w") as file:
        file.write("a page")
    with Server("serve", "web", "--root", where, "--listen", "tcp:0", "proxy", "--allow", "loopback", "--user",
                "ann:secret", "--listen", "tcp:0", lines=2) as s:
        web, proxy = s.port("web"), s.port("proxy")
        get = "GET http://127.0.0.1:%d/page HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n"
        check("a request of nobody", say(proxy, get % (web, "")).startswith("HTTP/1.1 407"))
        check("a request", say(proxy, get % (web, ANN)).startswith("HTTP/1.1 200"))
        connect = "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n%s\r\n"
        got = say(proxy, connect % (web, ANN), "GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        check("a tunnel", got.startswith("HTTP/1.1 200") and got.endswith("a page"))
        check("another port", say(proxy, connect % (25, ANN)).startswith("HTTP/1.1 403"))
    with Server("serve", "proxy", "--refuse", "127.0.0.2", "--ports", "1-65535", "--no-connect", "--realm", "here",
                "--listen", "tcp:0") as s:
        proxy = s.port("proxy")
        check("no tunnels", say(proxy, "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n").startswith("HTTP/1.1 405"))
        check("nothing inside", say(proxy, "GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n")
              .startswith("HTTP/1.1 403"))
    serve = ["serve", "proxy", "--listen", "tcp:0"]
    wrong("--allow", serve + ["--allow", "x"], "--allow, --refuse or --ports is no list")
    wrong("--ports", serve + ["--ports", "0"], "--allow, --refuse or --ports is no list")
    wrong("--user", serve + ["--user", "ann"], "--user wants a name and a password")
    wrong("no file of users", serve + ["--users", os.path.join(where, "none")], "the users' file '", "cannot be read",
          status=78)
    with open(os.path.join(where, "users"), "w") as file:
        file.write("")
    with Server(*serve, "--users", os.path.join(where, "users")) as s:
        check("nobody is known", say(s.port("proxy"), "GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n")
              .startswith("HTTP/1.1 407"))
        s.end()
    wrong("too many users", serve + ["--user", "a:b"] * 17, "proxy: at most 16 of one option")
finish()
