# SPDX-License-Identifier: MIT
"""plait fetch through a proxy: URLs of http, of https, passwords, the environment, a proxy that is spoken to over
TLS."""
import base64
import os
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True

from harness import Server, check, finish, folder, run, wrong

WHO = b"Proxy-Authorization: Basic " + base64.b64encode(b"ann:secret")


def pipe(a, b):
    """Carries bytes both ways until one end is done."""
    while True:
        for ready in select.select([a, b], [], [], 20)[0] or [None]:
            piece = ready.recv(65536) if ready else b""
            if not piece:
                return
            (b if ready is a else a).sendall(piece)


class Proxy(socketserver.BaseRequestHandler):
    """A connection a request, as simple as can be; what it was asked for stands in `asked`."""
    asked = []

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append("%s %s" % (method, target))
        if self.server.guarded and WHO not in head:
            self.request.sendall(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"p\"\r\n"
                                 b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            return
        url = urllib.parse.urlsplit("//" + target if method == "CONNECT" else target)
        with socket.create_connection(("127.0.0.1", url.port), 10) as far:
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = (url.path or "/") + ("?" + url.query if url.query else "")
                far.sendall(("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
                             % (method, path, url.netloc)).encode())
            pipe(self.request, far)


def proxy(guarded=False, context=None):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    server.guarded = guarded
    server.handle_error = lambda *args: None
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def asked():
    seen, Proxy.asked[:] = list(Proxy.asked), []
    return seen


CLEAN = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}

with folder() as where:
    with open(os.path.join(where, "page"), "w") as file:
        file.write("a page")
    cert, key = os.path.join(where, "cert"), os.path.join(where, "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1,DNS:far.example", "-keyout", key,
                    "-out", cert],
                   check=True, capture_output=True)
    trusting = {**CLEAN, "SSL_CERT_FILE": cert}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    plain, guarded, secret = proxy(), proxy(guarded=True), proxy(context=context)
    with Server("serve", "web", "--root", where, "--listen", "tcp:0", "web", "--root", where, "--listen",
                "tls:0:cert=%s:key=%s" % (cert, key), lines=2) as s:
        port = s.port("web")
        secure = int(s.lines[1].rsplit(":", 1)[1].strip().rstrip("/"))
        by = "http://127.0.0.1:%d" % plain
        far, safe = "http://far.example:%d/page" % port, "https://far.example:%d/page" % secure
        code, out, err = run("fetch", "-x", by, far, env=CLEAN)
        check("a URL of http", code == 0 and out == b"a page" and asked() == ["GET " + far], (code, out, err))
        code, out, err = run("fetch", "--proxy", by, safe, env=trusting)
        check("a URL of https", code == 0 and out == b"a page" and asked() == ["CONNECT far.example:%d" % secure],
              (code, out, err))
        code, out, err = run("fetch", "-x", "http://ann:secret@127.0.0.1:%d" % guarded, far, safe, env=trusting)
        check("a proxy that wants a password", code == 0 and out == b"a page" * 2 and len(asked()) == 2,
              (code, out, err))
        code, out, err = run("fetch", "-x", "http://127.0.0.1:%d" % guarded, safe, env=trusting)
        check("a proxy that does not get it", code == 1 and "the proxy wants other credentials" in err, (code, err))
        code, out, err = run("fetch", "-x", "http://127.0.0.1:%d" % guarded, far, env=CLEAN)
        check("nor for http", code == 1 and "407" in err and len(asked()) == 2, (code, out, err))
        asked()
        code, out, err = run("fetch", "-x", "https://127.0.0.1:%d" % secret, far, safe, env=trusting)
        check("a proxy that is spoken to over TLS", code == 0 and out == b"a page" * 2 and len(asked()) == 2,
              (code, out, err))
        for names in (["http_proxy"], ["all_proxy"], ["ALL_PROXY"]):
            code, out, err = run("fetch", far, env={**CLEAN, **{name: by for name in names}})
            check("a proxy of the environment: %s" % names, out == b"a page" and asked() == ["GET " + far], err)
        code, out, err = run("fetch", safe, env={**trusting, "HTTPS_PROXY": by[7:], "http_proxy": "http://nowhere:1"})
        check("HTTPS_PROXY without a scheme", out == b"a page" and len(asked()) == 1, err)
        here = "http://127.0.0.1:%d/page" % port
        for none in ("*", "x.example, 127.0.0.1", ".0.0.1"):
            code, out, err = run("fetch", here, env={**CLEAN, "http_proxy": by, "no_proxy": none})
            check("no_proxy=%s" % none, out == b"a page" and asked() == [], (out, err))
        for none in ("0.0.1x", "7.0.0.1", "", ".", "another.example.longer.than.that"):
            code, out, err = run("fetch", here, env={**CLEAN, "http_proxy": by, "NO_PROXY": none})
            check("not excepted by NO_PROXY=%s" % none, out == b"a page" and len(asked()) == 1, (out, err))
        code, out, err = run("fetch", "-x", "", here, env={**CLEAN, "http_proxy": by})
        check("no proxy at all", out == b"a page" and asked() == [], err)
        code, out, err = run("fetch", here, env={**CLEAN, "HTTP_PROXY": by})
        check("HTTP_PROXY is not believed", out == b"a page" and asked() == [], err)
    wrong("another scheme", ["fetch", "-x", "ftp://x", "http://h/"], "http://proxy.example:3128")
    wrong("no URL", ["fetch", "-x", "http://[", "http://h/"], "the proxy's URL can't be used")
    wrong("too long a URL", ["fetch", "-x", "x" * 700, "http://h/"], "the proxy's URL can't be used")
finish()
