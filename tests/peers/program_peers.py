# SPDX-License-Identifier: MIT
"""Programs that nobody here wrote, run for connections and kept running: git's daemon, made for inetd, is cloned from
and pushed to; Python's prompt sits at a terminal; nginx is killed and comes back. A peer that is missing is a
failure."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from peers import OURS_SERVES, Running, check, failures, free_port, wait_port

PLAIT = os.path.join(os.environ["PLAIT_BUILD"], "plait")
NGINX = """daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log; events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; server {{ listen 127.0.0.1:{port}; return 200 "here"; }} }}
"""


class Program(Running):
    """plait serve program with a command of the shell's."""

    def __init__(self, command, *words):
        self.port = free_port()
        super().__init__(PLAIT, "serve", "--log-level", "error", "program", "--run", command, "--listen",
                         "tcp:%d" % self.port, *words, stdout=subprocess.DEVNULL)

    def __enter__(self):
        super().__enter__()
        wait_port(self.port)
        return self.port


def git(*words, where="."):
    env = dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.org",
               GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.org")
    done = subprocess.run(["git", "-C", where, "-c", "safe.directory=*", *words], capture_output=True, timeout=60,
                          env=env)
    return done.returncode == 0, (done.stdout + done.stderr).decode()


def daemon(folder, how, *words):
    """Clones what is there, pushes a commit of 2 MB of noise, clones again."""
    base = os.path.join(folder, how.split()[-1])
    repo, work, again = (os.path.join(base, name) for name in ("repo.git", "work", "again"))
    os.makedirs(work)
    git("init", "-q", "--bare", "-b", "main", repo)
    with Program("exec git daemon --inetd --export-all --enable=receive-pack --base-path=" + base, *words) as port:
        url = "git://127.0.0.1:%d/repo.git" % port
        cloned, said = git("clone", "-q", url, work)
        noise = os.urandom(2000000)
        with open(os.path.join(work, "noise"), "wb") as file:
            file.write(noise)
        git("add", "noise", where=work)
        git("commit", "-q", "-m", "noise", where=work)
        pushed, more = git("push", "-q", "origin", "HEAD:main", where=work)
        git("clone", "-q", url, again)
        try:
            with open(os.path.join(again, "noise"), "rb") as file:
                same = file.read() == noise
        except OSError:
            same = False
    check("git", "programs: for each connection, " + how, OURS_SERVES, cloned and pushed and same,
          said + more)


def hear(s, until):
    """What comes, until something stands at its end, or to the end."""
    got = b""
    while not (until and got.endswith(until)) and (piece := s.recv(1000)):
        got += piece
    return got


def prompt():
    env = "TERM=dumb PYTHON_BASIC_REPL=1 "
    with Program(env + "exec python3 -q", "--pty") as port:
        with socket.create_connection(("127.0.0.1", port), 20) as s:
            hear(s, b">>> ")
            s.sendall(b"import os; print(os.isatty(0), os.get_terminal_size().columns, 6 * 7)\n")
            got = hear(s, b">>> ")
            s.shutdown(socket.SHUT_WR)  # which is Ctrl-D for the prompt
            rest = hear(s, b"")
    check("python3", "programs: at a terminal, its prompt", OURS_SERVES, b"True 80 42\r\n" in got, got + rest)


def page(port):
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "http://127.0.0.1:%d/" % port], capture_output=True,
                          timeout=40)
    return done.stdout


def kept(folder):
    port = free_port()
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w") as file:
        file.write(NGINX.format(dir=folder, port=port))
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    with Running(PLAIT, "supervise", "--log-level", "error", "--", nginx, "-p", folder, "-e", folder + "/error.log",
                 "-c", path, stdout=subprocess.DEVNULL):
        wait_port(port)
        first = page(port)
        with open(os.path.join(folder, "pid")) as file:
            os.kill(int(file.read()), 9)
        time.sleep(0.2)
        wait_port(port)  # its workers were killed with it, or the port would not be free
        second = page(port)
        check("nginx", "programs: kept running, killed and back", OURS_SERVES, first == second == b"here")


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    daemon(folder, "over pipes")
    daemon(folder, "with the socket itself", "--socket")
    prompt()
    kept(folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
