# SPDX-License-Identifier: MIT
"""Port forwarding between programs that nobody here wrote: curl asks nginx and haproxy through it, which are told whom
it is for; socat ends its halves one by one. A peer that is missing is a failure."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

from peers import OURS_SERVES, Running, check, failures, free_port, wait_port

PLAIT = os.path.join(os.environ["PLAIT_BUILD"], "plait")
SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
NGINX = """daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log; events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
server {{ listen 127.0.0.1:{port} proxy_protocol; return 200 "for $proxy_protocol_addr"; }}
server {{ listen 127.0.0.1:{plain}; root {dir}; }} }}
"""
HAPROXY = """global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "for %[src]"
"""


def curl(*words):
    return subprocess.run(["curl", "-sS", "--max-time", "20", *words], capture_output=True, timeout=40).stdout


def written(folder, name, text, **values):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text.format(dir=folder, **values))
    return path


class Forward(Running):
    """plait serve forward in front of a port or an endpoint."""

    def __init__(self, to, *words):
        self.port = free_port()
        to = "tcp:127.0.0.1:%d" % to if isinstance(to, int) else to
        super().__init__(PLAIT, "serve", "--log-level", "error", "forward", "--to", to, "--listen",
                         "tcp:%d" % self.port, *words, stdout=subprocess.DEVNULL)

    def __enter__(self):
        super().__enter__()
        wait_port(self.port)
        return "http://127.0.0.1:%d/" % self.port


def told(peer, to):
    for version in ("v1", "v2"):
        with Forward(to, "--send-proxy", version) as url:
            got = curl("--interface", "127.0.0.9", url)
            check(peer, "forwarding, with PROXY version " + version[1], OURS_SERVES, got == b"for 127.0.0.9", got)


def halves(folder):
    """wc answers when its input has ended, which the other half has to outlive."""
    port = free_port()
    path = os.path.join(folder, "socket")
    for listen, to in (("TCP4-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork" % port, port),
                       ("UNIX-LISTEN:%s,fork" % path, "unix:" + path)):
        with Running("socat", listen, "EXEC:wc -c"):
            if to == port:
                wait_port(port)
            forward = Forward(to)
            with forward:
                with socket.create_connection(("127.0.0.1", forward.port), 20) as s:
                    s.sendall(b"x" * 1000000)
                    s.shutdown(socket.SHUT_WR)
                    got = b""
                    while piece := s.recv(100):
                        got += piece
                check("socat", "forwarding to " + ("TCP" if to == port else "a UNIX socket") + ", half by half",
                      OURS_SERVES, got.strip() == b"1000000", got)


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    os.chmod(folder, 0o755)
    page = b"0123456789" * 500000
    with open(os.path.join(folder, "page"), "wb") as file:
        file.write(page)
    port, plain = free_port(), free_port()
    path = written(folder, "nginx.conf", NGINX, port=port, plain=plain)
    with Running(shutil.which("nginx", path=SBIN), "-p", folder, "-e", folder + "/error.log", "-c", path,
                 stdout=subprocess.DEVNULL):
        wait_port(plain)
        told("nginx", port)
        with Forward(plain) as url:
            check("nginx", "forwarding, 5 MB", OURS_SERVES, curl(url + "page") == page)
    port = free_port()
    with Running(shutil.which("haproxy", path=SBIN), "-f", written(folder, "haproxy.conf", HAPROXY, port=port),
                 stdout=subprocess.DEVNULL):
        wait_port(port)
        told("haproxy", port)
    halves(folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
