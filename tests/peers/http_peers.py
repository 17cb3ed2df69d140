# SPDX-License-Identifier: MIT
"""HTTP beside programs that nobody here wrote: curl and raw sockets against our server, our client against Python's
http.server and nginx. A peer that is missing is a failure."""
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

from peers import OURS_ASKS, OURS_SERVES, Running, check, failures, free_port, wait_port

BUILD = os.environ["PLAIT_BUILD"]
def curl(*args):
    done = subprocess.run(["curl", "-sS", "--max-time", "10", *args], capture_output=True)
    return done.stdout.decode("latin1") + done.stderr.decode("latin1")


def raw(port, data, shut=False):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.settimeout(5)
        s.sendall(data)
        if shut:
            s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except OSError:
            pass
        return got.decode("latin1")


def our_server(port, root):
    base = "http://127.0.0.1:%d" % port
    check("curl", "HTTP: GET", OURS_SERVES, curl(base + "/hello") == "Hello, World!")
    two = curl("-v", base + "/hello", base + "/hello")
    check("curl", "HTTP: keep-alive", OURS_SERVES,
          two.count("Hello, World!") == 2 and "Re-using existing connection" in two, two)
    check("curl", "HTTP: HEAD", OURS_SERVES, "Content-Length: 13" in curl("-I", base + "/hello"))
    check("curl", "HTTP: HTTP/1.0", OURS_SERVES, curl("--http1.0", base + "/hello") == "Hello, World!")
    check("curl", "HTTP: a range", OURS_SERVES, curl("-r", "2-5", base + "/files/data") == "2345")
    check("curl", "HTTP: the last bytes", OURS_SERVES, curl("-r", "-3", base + "/files/data") == "789")
    many = curl("-i", "-r", "0-1,8-9", base + "/files/data")
    check("curl", "HTTP: several ranges", OURS_SERVES,
          "multipart/byteranges" in many and "\r\n\r\n01\r\n" in many, many)
    expect = curl("-v", "-H", "Expect: 100-continue", "-d", "x" * 2000, base + "/echo")
    check("curl", "HTTP: Expect: 100-continue", OURS_SERVES,
          "100 Continue" in expect and "x" * 2000 in expect, expect[:300])
    chunked = curl("-H", "Transfer-Encoding: chunked", "-d", "some text", base + "/echo")
    check("curl", "HTTP: chunked upload", OURS_SERVES, chunked == "some text", chunked)
    check("curl", "HTTP: OPTIONS", OURS_SERVES,
          "Allow: GET, HEAD, OPTIONS" in curl("-i", "-X", "OPTIONS", base + "/hello"))
    check("curl", "HTTP: 405 for a method that is not there", OURS_SERVES,
          "405 Method Not Allowed" in curl("-i", "-X", "DELETE", base + "/hello"))
    check("curl", "HTTP: a folder listed", OURS_SERVES, "data</a>" in curl(base + "/files/"))
    check("curl", "HTTP: redirect to the slash", OURS_SERVES, "the index" in curl("-L", base + "/files/sub"))
    check("curl", "HTTP: no way out of the root", OURS_SERVES,
          "root:" not in curl("--path-as-is", base + "/files/../../../etc/passwd"))
    etag = re.search(r"ETag: (\S+)", curl("-I", base + "/files/data")).group(1)
    check("curl", "HTTP: ETag and 304", OURS_SERVES,
          " 304 " in curl("-i", "-H", "If-None-Match: " + etag, base + "/files/data"))
    big = os.path.join(root, "big")
    with open(big, "wb") as file:
        file.write(os.urandom(3 << 20))
    out = os.path.join(root, "out")
    curl("-o", out, base + "/files/big")
    check("curl", "HTTP: a file of 3 MiB", OURS_SERVES, open(out, "rb").read() == open(big, "rb").read())
    for name, request, status in (
            ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", 400), ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
            ("CL and TE",
             b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("obs-fold", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            ("long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414),
            ("long head", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000, 431),
            ("not quite HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", 505)):
        got = raw(port, request)
        check(None, "HTTP: refused: " + name, OURS_SERVES,
              got.startswith("HTTP/1.1 %d " % status) and "Connection: close" in got, got[:100])
    pipelined = raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 16, shut=True)
    check(None, "HTTP: 16 pipelined, half closed", OURS_SERVES, pipelined.count("Hello, World!") == 16, pipelined[:200])


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/page")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
            return
        body = b"python says hello" if self.path == "/page" else os.urandom(0) + b"z" * 500000
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def fetch(url):
    command = [os.path.join(BUILD, "tests", "web", "web_peer"), "fetch", url]
    return subprocess.run(command, capture_output=True, timeout=20)


def plait_fetch(*words):
    return subprocess.run([os.environ["PLAIT"], "fetch", *words], capture_output=True, timeout=30)


NODE = """
const http = require("http"), zlib = require("zlib");
http.createServer((req, res) => {
  if (req.url == "/br") {
    res.writeHead(200, {"Content-Encoding": "br", "Set-Cookie": "one=1; Max-Age=1000; HttpOnly"});
    res.end(zlib.brotliCompressSync("z".repeat(50000)));
    return;
  }
  res.writeHead(200, {"X-Cookie": req.headers.cookie || "none"});
  req.on("data", (piece) => res.write(piece));
  req.on("end", () => res.end());
}).listen(%d, "127.0.0.1");
"""


def our_client_at_node(folder):
    port = free_port()
    base = "http://127.0.0.1:%d" % port
    jar = os.path.join(folder, "jar")
    large = os.path.join(folder, "large")
    with open(large, "wb") as file:
        file.write(os.urandom(2 << 20))
    with Running("node", "-e", NODE % port):
        wait_port(port)
        check("node", "HTTP: an answer in the coding br", OURS_ASKS,
              plait_fetch("--cookies", jar, base + "/br").stdout == b"z" * 50000)
        done = plait_fetch("--cookies", jar, "-i", base + "/")
        check("node", "HTTP: a cookie kept in a file and sent", OURS_ASKS, b"X-Cookie: one=1\n" in done.stdout, done)
        done = plait_fetch("-T", large, base + "/")
        check("node", "HTTP: 2 MiB sent while as much comes back in chunks", OURS_ASKS,
              done.stdout == open(large, "rb").read(), done.stderr)
        done = plait_fetch("--trace", base + "/", base + "/")
        check("node", "HTTP: a connection used again", OURS_ASKS, b"uses again the connection" in done.stderr, done)


GUARD = """
from twisted.cred import checkers, portal
from twisted.internet import reactor
from twisted.web import guard, resource, server, static

class Realm:
    def requestAvatar(self, who, mind, *interfaces):
        return resource.IResource, static.Data(b"hello " + who, "text/plain"), lambda: None

users = checkers.InMemoryUsernamePasswordDatabaseDontUse(ann=b"secret")
kinds = {"basic": guard.BasicCredentialFactory(b"home"), "md5": guard.DigestCredentialFactory("md5", b"home"),
         "sha": guard.DigestCredentialFactory("sha", b"home")}
root = resource.Resource()
for name, kind in kinds.items():
    root.putChild(name.encode(), guard.HTTPAuthSessionWrapper(portal.Portal(Realm(), [users]), [kind]))
reactor.listenTCP(%d, server.Site(root), interface="127.0.0.1")
reactor.run()
"""


def our_client_at_guards(port):
    base = "http://127.0.0.1:%d/" % port
    with Running("/usr/bin/python3", "-c", GUARD % port):
        wait_port(port)
        for name, flag in (("basic", "--basic"), ("basic", None), ("md5", "--digest"), ("md5", None)):
            done = plait_fetch("-u", "ann:secret", *([flag] if flag else []), base + name)
            check("Twisted", "HTTP: %s authentication%s" % ("Basic" if name == "basic" else "Digest",
                                                            "" if flag else ", by its own choice"),
                  OURS_ASKS, done.stdout == b"hello ann", done)
        done = plait_fetch("-u", "ann:wrong", base + "md5")
        check("Twisted", "HTTP: Digest authentication with a wrong password", OURS_ASKS, b"401" in done.stderr, done)


def our_client_at_twisted(folder):
    our_client_at_guards(free_port())
    port = free_port()
    base = "http://127.0.0.1:%d" % port
    with Running("/usr/bin/twist3", "web", "--listen", "tcp:%d:interface=127.0.0.1" % port, "--path", folder):
        wait_port(port)
        done = plait_fetch("--trace", base + "/data", base + "/sub")
        check("Twisted", "HTTP: GET", OURS_ASKS, done.stdout == b"0123456789the index", done)
        check("Twisted", "HTTP: redirect", OURS_ASKS, b"is sent on to" in done.stderr, done)
        check("Twisted", "HTTP: a connection used again", OURS_ASKS, b"uses again the connection" in done.stderr, done)
        done = plait_fetch("-I", base + "/data")
        check("Twisted", "HTTP: HEAD", OURS_ASKS, b"Content-Length: 10\n" in done.stdout, done)


def our_server_http2(port, folder):
    """HTTP/2 in the clear, by prior knowledge."""
    base = f"http://127.0.0.1:{port}"
    two = "--http2-prior-knowledge"
    check("curl", "HTTP/2: GET", OURS_SERVES, "HTTP/2 200" in curl(two, "-i", base + "/hello"))
    check("curl", "HTTP/2: HEAD", OURS_SERVES, "content-length: 13" in curl(two, "-I", base + "/hello"))
    check("curl", "HTTP/2: several requests on one connection", OURS_SERVES,
          "Re-using existing connection" in curl(two, "-v", base + "/hello", base + "/hello"))
    text = "x" * 300000
    path = os.path.join(folder, "upload")
    with open(path, "w") as file:
        file.write(text)
    check("curl", "HTTP/2: an upload of 300 kB", OURS_SERVES, curl(two, "-d", "@" + path, base + "/echo") == text)
    out = os.path.join(folder, "two")
    curl(two, "-o", out, base + "/files/big")
    with open(out, "rb") as got, open(os.path.join(folder, "big"), "rb") as sent:
        check("curl", "HTTP/2: a file of 3 MiB", OURS_SERVES, got.read() == sent.read())
    check("curl", "HTTP/2: several ranges", OURS_SERVES,
          curl(two, "-r", "0-1,8-9", base + "/files/data").count("Content-Range") == 2)
    load = subprocess.run(["h2load", "-n", "2000", "-c", "8", "-m", "32", base + "/hello"], capture_output=True,
                          timeout=60)
    check("h2load", "HTTP/2: 2,000 requests, 32 at once on each of 8 connections", OURS_SERVES,
          b"2000 succeeded" in load.stdout, load.stdout.decode())
    nghttp = subprocess.run(["nghttp", "-nv", base + "/hello", base + "/files/data"], capture_output=True, timeout=30)
    check("nghttp", "HTTP/2: GET", OURS_SERVES, nghttp.stdout.count(b":status: 200") == 2, nghttp.stdout.decode())
    nghttp = subprocess.run(["nghttp", "-d", path, base + "/echo"], capture_output=True, timeout=30)
    check("nghttp", "HTTP/2: an upload of 300 kB", OURS_SERVES, nghttp.stdout.decode() == text)


H11 = """
import socket, sys, h11
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
c = h11.Connection(h11.CLIENT)
def ask(method, target, body=None):
    fields = [("Host", "a")] + ([("Transfer-Encoding", "chunked")] if body else [])
    s.sendall(c.send(h11.Request(method=method, target=target, headers=fields)))
    for piece in body or []:
        s.sendall(c.send(h11.Data(data=piece)))
    s.sendall(c.send(h11.EndOfMessage()))
    got, status = b"", 0
    while True:
        event = c.next_event()
        if event is h11.NEED_DATA:
            c.receive_data(s.recv(65536))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            got += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            c.start_next_cycle()
            return status, got
print(ask("GET", "/hello") == (200, b"Hello, World!")
      and ask("POST", "/echo", [b"some ", b"text"]) == (200, b"some text")
      and ask("HEAD", "/hello") == (200, b"") and ask("GET", "/none")[0] == 404)
"""


def our_server_under_load(port):
    """Programs that count what is wrong with many answers."""
    hello = "http://127.0.0.1:%d/hello" % port
    run = lambda *words: subprocess.run(words, capture_output=True, timeout=60).stdout.decode()
    for kept in ([], ["-k"]):
        seen = run("ab", "-q", *kept, "-n", "2000", "-c", "20", hello)
        check("ab", "HTTP: 2,000 requests on " + ("20 connections" if kept else "a connection each"), OURS_SERVES,
              re.search(r"Complete requests: +2000\nFailed requests: +0\n", seen) and "Non-2xx" not in seen, seen)
    seen = run("wrk", "-t", "1", "-c", "50", "-d", "1s", hello)
    check("wrk", "HTTP: a second of 50 connections", OURS_SERVES,
          re.search(r"[1-9]\d+ requests in", seen) and "Socket errors" not in seen and "Non-2xx" not in seen, seen)
    seen = subprocess.run(["/usr/bin/python3", "-c", H11, str(port)], capture_output=True, timeout=30)
    check("h11", "HTTP: requests on one connection", OURS_SERVES, seen.stdout == b"True\n", seen.stderr[-300:])


def our_client(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.handle_error = lambda *args: None  # a kept connection ends with its program
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = "http://127.0.0.1:%d" % server.server_address[1]
    check("Python http.server", "HTTP: GET", OURS_ASKS, fetch(base + "/page").stdout == b"python says hello")
    check("Python http.server", "HTTP: redirect", OURS_ASKS, fetch(base + "/away").stdout == b"python says hello")
    check("Python http.server", "HTTP: chunked answer", OURS_ASKS, fetch(base + "/chunked").stdout == b"hello world")
    check("Python http.server", "HTTP: an answer of 500 kB", OURS_ASKS, fetch(base + "/large").stdout == b"z" * 500000)
    server.shutdown()
    port = free_port()
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w") as file:
        file.write("daemon off; master_process off; worker_processes 1; pid %s/pid; error_log %s/log;\n"
                   "events {} http { access_log off; gzip on; gzip_types *; gzip_min_length 100;\n"
                   " client_body_temp_path %s/a; proxy_temp_path %s/b;\n"
                   "fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n"
                   "server { listen 127.0.0.1:%d; root %s; location = /go { return 301 /data; }\n"
                   "location = /text { auth_basic home; auth_basic_user_file %s/users; } } }\n"
                   % (*(folder,) * 7, port, folder, folder))
    with open(os.path.join(folder, "users"), "w") as file:
        file.write("ann:{PLAIN}secret\n")
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    with Running(program, "-c", conf, "-p", folder):
        wait_port(port)
        check("nginx", "HTTP: GET", OURS_ASKS, fetch("http://127.0.0.1:%d/data" % port).stdout == b"0123456789")
        check("nginx", "HTTP: redirect", OURS_ASKS, fetch("http://127.0.0.1:%d/go" % port).stdout == b"0123456789")
        text = os.path.join(folder, "text")
        with open(text, "w") as file:
            file.write("text " * 10000)
        done = plait_fetch("-i", "-u", "ann:secret", "http://127.0.0.1:%d/text" % port)
        check("nginx", "HTTP: Basic authentication", OURS_ASKS, done.returncode == 0, done)
        check("nginx", "HTTP: an answer in the coding gzip", OURS_ASKS,
              b"Content-Encoding: gzip\n" in done.stdout and done.stdout.endswith(b"\n\n" + b"text " * 10000), done)
        done = plait_fetch("--trace", *["http://127.0.0.1:%d/data" % port] * 2)
        check("nginx", "HTTP: a connection used again", OURS_ASKS, b"uses again the connection" in done.stderr, done)
        check("nginx", "HTTP: 404", OURS_ASKS, b"404" in fetch("http://127.0.0.1:%d/none" % port).stderr)


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "data"), "w") as file:
        file.write("0123456789")
    os.chmod(os.path.join(folder, "data"), 0o644)
    os.mkdir(os.path.join(folder, "sub"))
    with open(os.path.join(folder, "sub", "index.html"), "w") as file:
        file.write("the index")
    port = free_port()
    with Running(os.path.join(BUILD, "tests", "web", "web_peer"), "serve", str(port), folder):
        wait_port(port)
        our_server(port, folder)
        our_server_http2(port, folder)
        our_server_under_load(port)
    our_client(folder)
    our_client_at_node(folder)
    our_client_at_twisted(folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
