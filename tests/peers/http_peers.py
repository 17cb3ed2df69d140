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
import time

BUILD = os.environ["PLAIT_BUILD"]
failures = []


def check(what, holds, seen=""):
    print(("ok   " if holds else "FAIL ") + what)
    if not holds:
        failures.append(what)
        print("     saw: %r" % (seen,))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nothing listens on port %d" % port)


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
    check("curl gets the answer", curl(base + "/hello") == "Hello, World!")
    two = curl("-v", base + "/hello", base + "/hello")
    check("curl keeps the connection", two.count("Hello, World!") == 2 and "Re-using existing connection" in two, two)
    check("curl HEAD", "Content-Length: 13" in curl("-I", base + "/hello"))
    check("curl HTTP/1.0", curl("--http1.0", base + "/hello") == "Hello, World!")
    check("curl range", curl("-r", "2-5", base + "/files/data") == "2345")
    check("curl suffix range", curl("-r", "-3", base + "/files/data") == "789")
    many = curl("-i", "-r", "0-1,8-9", base + "/files/data")
    check("curl several ranges", "multipart/byteranges" in many and "\r\n\r\n01\r\n" in many, many)
    expect = curl("-v", "-H", "Expect: 100-continue", "-d", "x" * 2000, base + "/echo")
    check("curl 100-continue", "100 Continue" in expect and "x" * 2000 in expect, expect[:300])
    chunked = curl("-H", "Transfer-Encoding: chunked", "-d", "some text", base + "/echo")
    check("curl chunked upload", chunked == "some text", chunked)
    check("curl OPTIONS", "Allow: GET, HEAD, OPTIONS" in curl("-i", "-X", "OPTIONS", base + "/hello"))
    check("curl 405", "405 Method Not Allowed" in curl("-i", "-X", "DELETE", base + "/hello"))
    check("curl listing", "data</a>" in curl(base + "/files/"))
    check("curl slash redirect", "the index" in curl("-L", base + "/files/sub"))
    check("curl path as is", "root:" not in curl("--path-as-is", base + "/files/../../../etc/passwd"))
    etag = re.search(r"ETag: (\S+)", curl("-I", base + "/files/data")).group(1)
    check("curl revalidates", " 304 " in curl("-i", "-H", "If-None-Match: " + etag, base + "/files/data"))
    big = os.path.join(root, "big")
    with open(big, "wb") as file:
        file.write(os.urandom(3 << 20))
    out = os.path.join(root, "out")
    curl("-o", out, base + "/files/big")
    check("curl large file", open(out, "rb").read() == open(big, "rb").read())
    for name, request, status in (
            ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", 400), ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
            ("CL and TE",
             b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("obs-fold", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            ("long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414),
            ("long head", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000, 431),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)):
        got = raw(port, request)
        check("raw: " + name, got.startswith("HTTP/1.1 %d " % status) and "Connection: close" in got, got[:100])
    pipelined = raw(port, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 16, shut=True)
    check("raw: 16 pipelined, half closed", pipelined.count("Hello, World!") == 16, pipelined[:200])


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


def our_client(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = "http://127.0.0.1:%d" % server.server_address[1]
    check("python page", fetch(base + "/page").stdout == b"python says hello")
    check("python redirect", fetch(base + "/away").stdout == b"python says hello")
    check("python chunked", fetch(base + "/chunked").stdout == b"hello world")
    check("python large", fetch(base + "/large").stdout == b"z" * 500000)
    server.shutdown()
    port = free_port()
    conf = os.path.join(folder, "nginx.conf")
    with open(conf, "w") as file:
        file.write("daemon off; master_process off; worker_processes 1; pid %s/pid; error_log %s/log;\n"
                   "events {} http { access_log off; client_body_temp_path %s/a; proxy_temp_path %s/b;\n"
                   "fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n"
                   "server { listen 127.0.0.1:%d; root %s; location = /go { return 301 /data; } } }\n"
                   % (*(folder,) * 7, port, folder))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    nginx = subprocess.Popen([program, "-c", conf, "-p", folder], stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        check("nginx file", fetch("http://127.0.0.1:%d/data" % port).stdout == b"0123456789")
        check("nginx redirect", fetch("http://127.0.0.1:%d/go" % port).stdout == b"0123456789")
        check("nginx 404", b"404" in fetch("http://127.0.0.1:%d/none" % port).stderr)
    finally:
        nginx.terminate()
        nginx.wait()


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
    server = subprocess.Popen([os.path.join(BUILD, "tests", "web", "web_peer"), "serve", str(port), folder])
    try:
        wait_port(port)
        our_server(port, folder)
    finally:
        server.terminate()
        server.wait()
    our_client(folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
