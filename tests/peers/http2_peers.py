# SPDX-License-Identifier: MIT
"""Our client over HTTP/2 at servers that nobody here wrote: node's http2, nginx and h2o. A peer that is missing is a
failure."""
import os
import shutil
import subprocess
import sys
import tempfile

from peers import OURS_ASKS, Running, check, failures, free_port, wait_port

NODE = """
const http2 = require("http2"), fs = require("fs");
const handler = (req, res) => {
  if (req.url == "/trailers") {
    res.write("body");
    res.addTrailers({"x-sum": "17"});
    res.end();
    return;
  }
  let bytes = 0;
  req.on("data", (piece) => { bytes += piece.length; });
  req.on("end", () => {
    res.setHeader("x-version", req.httpVersion);
    res.end(req.method + " " + req.url + " " + bytes);
  });
};
http2.createServer(handler).listen(%d, "127.0.0.1");
http2.createSecureServer({key: fs.readFileSync("%s/key"), cert: fs.readFileSync("%s/cert"), allowHTTP1: true}, handler)
  .listen(%d, "127.0.0.1");
"""
NGINX = """
daemon off; master_process off; worker_processes 1; pid %(folder)s/pid; error_log %(folder)s/log;
events {} http { access_log off; http2_max_concurrent_streams 4;
 client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b;
 fastcgi_temp_path %(folder)s/c; uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
 ssl_certificate %(folder)s/cert; ssl_certificate_key %(folder)s/key;
 server { listen 127.0.0.1:%(port)d ssl http2; root %(folder)s; location = /go { return 301 /data; } } }
"""
H2O = """
hosts:
  "localhost":
    listen: {host: 127.0.0.1, port: %(port)d, ssl: {certificate-file: %(folder)s/cert, key-file: %(folder)s/key}}
    paths: {"/": {file.dir: %(folder)s}}
"""


def fetch(folder, *words):
    environment = dict(os.environ, SSL_CERT_FILE=os.path.join(folder, "cert"))
    return subprocess.run([os.environ["PLAIT"], "fetch", *words], capture_output=True, timeout=30, env=environment)


def at_node(folder):
    clear, secure = free_port(), free_port()
    large = os.path.join(folder, "large")
    with Running("node", "-e", NODE % (clear, folder, folder, secure)):
        wait_port(clear)
        wait_port(secure)
        base = "http://127.0.0.1:%d" % clear
        known = "--http2-prior-knowledge"
        done = fetch(folder, known, "-i", base + "/a")
        check("node", "HTTP/2: by prior knowledge", OURS_ASKS,
              b"x-version: 2.0\n" in done.stdout and done.stdout.endswith(b"GET /a 0"), done)
        done = fetch(folder, known, "-T", large, base + "/b")
        check("node", "HTTP/2: an upload of 3 MiB", OURS_ASKS, done.stdout == b"PUT /b %d" % (3 << 20), done)
        done = fetch(folder, known, base + "/trailers")
        check("node", "HTTP/2: an answer with trailers", OURS_ASKS, done.stdout == b"body", done)
        base = "https://localhost:%d" % secure
        check("node", "HTTP/2: chosen by ALPN", OURS_ASKS, b"x-version: 2.0\n" in fetch(folder, "-i", base).stdout)
        check("node", "HTTP/2: HTTP/1.1 where it is asked for", OURS_ASKS,
              b"x-version: 1.1\n" in fetch(folder, "-i", "--http1.1", base).stdout)


def at_files(peer, base, folder):
    """What every server of files should do."""
    with open(os.path.join(folder, "large"), "rb") as file:
        large = file.read()
    done = fetch(folder, "--trace", base + "/data", base + "/data")
    check(peer, "HTTP/2: GET", OURS_ASKS, done.stdout == b"0123456789" * 2, done)
    check(peer, "HTTP/2: several requests on one connection", OURS_ASKS,
          b"uses again the connection" in done.stderr and b", HTTP/2, TLSv1" in done.stderr, done)
    check(peer, "HTTP/2: a file of 3 MiB", OURS_ASKS, fetch(folder, base + "/large").stdout == large)
    check(peer, "HTTP/2: 404", OURS_ASKS, b"404" in fetch(folder, base + "/none").stderr)
    out = os.path.join(folder, "out")
    os.mkdir(out)
    done = subprocess.run([os.environ["PLAIT"], "fetch", "-O", "-P", "20", *[base + "/n%d" % i for i in range(20)]],
                          capture_output=True, timeout=30, cwd=out,
                          env=dict(os.environ, SSL_CERT_FILE=os.path.join(folder, "cert")))
    whole = all(open(os.path.join(out, "n%d" % i)).read() == "file %d\n" % i for i in range(20))
    check(peer, "HTTP/2: 20 fetches at once", OURS_ASKS, done.returncode == 0 and whole, done)
    shutil.rmtree(out)


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    os.chmod(folder, 0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", os.path.join(folder, "key"), "-out", os.path.join(folder, "cert"), "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    for name, content in [("data", b"0123456789"), ("large", os.urandom(3 << 20))] + [
            ("n%d" % i, b"file %d\n" % i) for i in range(20)]:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
        os.chmod(os.path.join(folder, name), 0o644)
    at_node(folder)
    for peer, text in (("nginx", NGINX), ("h2o", H2O)):
        port = free_port()
        conf = os.path.join(folder, peer + ".conf")
        with open(conf, "w") as file:
            file.write(text % {"folder": folder, "port": port})
        program = shutil.which(peer, path="/usr/sbin:/usr/bin:/sbin:/bin")
        with Running(program, "-c", conf, *(["-p", folder] if peer == "nginx" else [])):
            wait_port(port)
            at_files(peer, "https://localhost:%d" % port, folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
