# SPDX-License-Identifier: MIT
"""Proxies beside programs that nobody here wrote: nginx, h2o and Python's websockets behind our reverse proxy, curl
through our forward proxy, nginx and haproxy in front of our server. A peer that is missing is a failure."""
import os
import shutil
import subprocess
import sys
import tempfile

from peers import OURS_SERVES, Running, check, failures, free_port, wait_port

BUILD = os.environ["PLAIT_BUILD"]
PLAIT = os.path.join(BUILD, "plait")
HERE = os.path.dirname(os.path.abspath(__file__))
SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
NGINX = """daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; server {{ listen 127.0.0.1:{port}; root {dir}; {more} }} }}
"""
H2O = """listen: {{ host: 127.0.0.1, port: {port} }}
hosts: {{ default: {{ paths: {{ /: {{ file.dir: {dir} }} }} }} }}
"""
HAPROXY = """global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server one 127.0.0.1:{to} send-proxy-v2
"""


def curl(*words):
    return subprocess.run(["curl", "-sS", "--max-time", "20", *words], capture_output=True, timeout=40).stdout


def written(folder, name, text, **values):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text.format(dir=folder, **values))
    return path


def ours(*words):
    return Running(PLAIT, "serve", "--log-level", "error", *words, stdout=subprocess.DEVNULL)


def nginx(folder, port, more=""):
    path = written(folder, "nginx.conf", NGINX, port=port, more=more)
    return Running(shutil.which("nginx", path=SBIN), "-p", folder, "-e", folder + "/error.log", "-c", path,
                   stdout=subprocess.DEVNULL)


def behind_ours(peer, run, folder, page):
    """Asks a peer through our reverse proxy, by curl in both versions."""
    origin, port = free_port(), free_port()
    with run(origin), ours("web", "--proxy", "/=http://127.0.0.1:%d" % origin, "--listen", "tcp:%d" % port):
        wait_port(origin)
        wait_port(port)
        url = "http://127.0.0.1:%d/" % port
        out = os.path.join(folder, "out")
        for version in ("--http1.1", "--http2-prior-knowledge"):
            head = curl(version, "-D", "-", "-o", out, url + "page")
            with open(out, "rb") as file:
                check(peer, "HTTP: an origin behind our proxy", OURS_SERVES,
                      b"via: 1.1 plait" in head.lower() and file.read() == page, head)
        check(peer, "HTTP: a range through our proxy", OURS_SERVES,
              curl("-r", "100-199", url + "page") == page[100:200])
        check(peer, "HTTP: HEAD through our proxy", OURS_SERVES, b"ontent-Length: 1000000" in curl("-I", url + "page"))
        check(peer, "HTTP: its 404 through our proxy", OURS_SERVES,
              curl("-o", out, "-w", "%{http_code}", url + "nothing") == b"404")


def websockets():
    origin, port = free_port(), free_port()
    side = ["/usr/bin/python3", os.path.join(HERE, "websocket_side.py"), "websockets"]
    with Running(*side, "serve", str(origin)), ours("web", "--proxy", "/=http://127.0.0.1:%d" % origin, "--listen",
                                                    "tcp:%d" % port):
        wait_port(origin)
        wait_port(port)
        done = subprocess.run([*side, "ask", str(port), "/ws"], capture_output=True, text=True, timeout=60)
        check("python websockets", "HTTP: a WebSocket through our proxy", OURS_SERVES, done.stdout.count("ok") == 2,
              done.stdout + done.stderr)


def through_forward(folder, page):
    web, tls, proxy = free_port(), free_port(), free_port()
    key, cert = folder + "/key", folder + "/cert"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "30", "-keyout", key,
                    "-out", cert], check=True, stderr=subprocess.DEVNULL)
    with ours("web", "--root", folder, "--listen", "tcp:%d" % web, "--listen",
              "tls:%d:cert=%s:key=%s" % (tls, cert, key), "proxy", "--allow", "loopback", "--user", "ann:secret",
              "--listen", "tcp:%d" % proxy):
        for port in (web, tls, proxy):
            wait_port(port)
        through = ["-x", "http://127.0.0.1:%d" % proxy, "--cacert", cert]
        plain, secure = "http://localhost:%d/page" % web, "https://localhost:%d/page" % tls
        ann = ["--proxy-user", "ann:secret"]
        for name, how in (("Basic", "--proxy-basic"), ("Digest", "--proxy-digest")):
            check("curl", "HTTP: http through our forward proxy, %s" % name, OURS_SERVES,
                  curl(*through, *ann, how, plain) == page)
            check("curl", "HTTP: https through our forward proxy, %s" % name, OURS_SERVES,
                  curl(*through, *ann, how, secure) == page)
        check("curl", "HTTP: a proxy that wants to know who it is", OURS_SERVES,
              curl(*through, "-o", folder + "/out", "-w", "%{http_code}", plain) == b"407")
        check("curl", "HTTP: a port that the proxy does not go to", OURS_SERVES,
              curl(*through, *ann, "-o", folder + "/out", "-w", "%{http_code}", "http://localhost:25/") == b"403")


def in_front(folder, page):
    web, front = free_port(), free_port()
    more = "location / { proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1; }" % web
    with ours("web", "--root", folder, "--listen", "tcp:%d" % web), nginx(folder, front, more):
        wait_port(web)
        wait_port(front)
        check("nginx", "HTTP: a front before our server", OURS_SERVES,
              curl("http://127.0.0.1:%d/page" % front) == page)
    web, front = free_port(), free_port()
    path = written(folder, "haproxy.conf", HAPROXY, port=front, to=web)
    haproxy = shutil.which("haproxy", path=SBIN)
    with ours("web", "--root", folder, "--listen", "haproxy:tcp:%d" % web), Running(haproxy, "-f", path,
                                                                                    stdout=subprocess.DEVNULL):
        wait_port(web)
        wait_port(front)
        for version in ("--http1.1", "--http2-prior-knowledge"):
            check("haproxy", "HTTP: a front before our server, with PROXY version 2", OURS_SERVES,
                  curl(version, "http://127.0.0.1:%d/page" % front) == page)


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    os.chmod(folder, 0o755)
    page = b"0123456789" * 100000
    with open(os.path.join(folder, "page"), "wb") as file:
        file.write(page)
    behind_ours("nginx", lambda port: nginx(folder, port), folder, page)
    behind_ours("h2o", lambda port: Running(shutil.which("h2o"), "-m", "worker", "-c",
                                            written(folder, "h2o.conf", H2O, port=port), stdout=subprocess.DEVNULL),
                folder, page)
    websockets()
    through_forward(folder, page)
    in_front(folder, page)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
