# SPDX-License-Identifier: MIT
"""plait fetch and plait finger, against the program's own services and Python's."""
import http.server
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import PLAIT, Server, check, finish, folder, run


class Echo(http.server.BaseHTTPRequestHandler):
    def answer(self):
        if self.path == "/redirect":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(307)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/nothing":
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        one = self.headers.get("Cookie") or self.headers.get("X-One", "-")
        if self.path == "/token":
            one = self.headers.get("Authorization")
        text = "%s %s %s" % (self.command, one, body.decode())
        self.send_response(200)
        if self.path == "/cookie":
            self.send_header("Set-Cookie", "name=value; Max-Age=1000")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def log_message(self, *words):
        pass


def one_answer(answer, stays=False):
    """A server for one connection that answers with bytes; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        s, _ = listener.accept()
        s.recv(1000)
        s.sendall(answer)
        try:
            while stays and s.recv(1000):
                pass
        except OSError:
            pass
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
        into = os.path.join(where, "later")
        with open(into + ".part", "wb") as file:
            file.write(whole[:1000])
        code, out, err = run("fetch", "-C", "-o", into, "--trace", base + "data")
        check("fetch goes on with a part", code == 0 and not out and open(into, "rb").read() == whole and
              "206 Partial Content" in err and not os.path.exists(into + ".part"), (code, out, err))
        os.rename(into, into + ".part")
        code, out, err = run("fetch", "--continue", "-o", into, base + "data")
        check("fetch of what is there already", code == 0 and open(into, "rb").read() == whole, (code, out, err))
        code, out, err = run("fetch", "-C", "-o", os.path.join(where, "none", "x"), base + "data")
        check("fetch -C to nowhere", code == 1 and len(err.splitlines()) == 1, (code, err))
        code, out, err = run("fetch", "-C", "-o", into, base + "nothing")
        check("fetch -C of what is not there", code == 1 and "404" in err, (code, err))
        code, out, err = run("fetch", "-C", base + "data")
        check("fetch -C to standard output", code == 2 and "--continue is for" in err, (code, err))
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

    with Server("serve", "web", "--root", where, "--user", "ann:secret", "--listen", "tcp:0") as s:
        url = "http://127.0.0.1:%d/data" % s.port("web")
        for words in (["--digest"], ["--basic"], []):
            code, out, err = run("fetch", "-u", "ann:secret", *words, url)
            check("fetch with a password %s" % words, code == 0 and out == whole, (code, err))
        secret = os.path.join(where, "secret")
        with open(secret, "w") as file:
            file.write("ann:secret\n")
        check("fetch with a password in a file", run("fetch", "-u", "@" + secret, url)[0] == 0)
        code, out, err = run("fetch", "-u", "ann:wrong", url)
        check("fetch with a wrong password", code == 1 and "401" in err, (code, err))
        check("fetch without", run("fetch", url)[0] == 1)
        os.remove(secret)

    echo = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    base = "http://127.0.0.1:%d/" % echo.server_address[1]
    check("fetch gets", run("fetch", "-H", "X-One:  1", base)[1] == b"GET 1 ")
    check("fetch posts data", run("fetch", "-d", "body", base)[1] == b"POST - body")
    check("fetch with a method", run("fetch", "-X", "PUT", "--data", "body", base)[1] == b"PUT - body")
    check("fetch sends JSON", run("fetch", "--json", "{}", base)[1] == b"POST - {}")
    with open(os.path.join(where, "body"), "w") as file:
        file.write("from a file")
    body = os.path.join(where, "body")
    check("fetch sends a file's text", run("fetch", "-d", "@" + body, base)[1] == b"POST - from a file")
    check("fetch sends a file", run("fetch", "-T", body, base)[1] == b"PUT - from a file")
    check("fetch sends a file by another method", run("fetch", "-X", "POST", "-T", body, base)[1] ==
          b"POST - from a file")
    again = run("fetch", "-T", body, base + "redirect")
    check("fetch sends a file again", again[1] == b"PUT - from a file", again)
    code, out, err = run("fetch", base, base, "-i")
    check("fetch of two to standard output", code == 0 and out.count(b"200 OK\n") == 2, (code, out, err))
    code, out, err = run("fetch", "-I", base)
    check("fetch of a head", code == 0 and out.startswith(b"200 OK\n") and b"Content-Length: 7\n\n" in out, out)
    jar = os.path.join(where, "jar")
    code, out, err = run("fetch", "--cookies", jar, base + "cookie")
    check("fetch keeps cookies", code == 0 and "\tname\tvalue\n" in open(jar).read(), (code, out, err))
    check("fetch sends cookies", run("fetch", "--cookies", jar, base + "cookie")[1] == b"GET name=value ")
    code, out, err = run("fetch", "--cookies", body, base)
    check("fetch refuses what is no jar", code == 1 and "cookies" in err and open(body).read() == "from a file", err)
    code, out, err = run("fetch", "--cookies", os.path.join(where, "none", "jar"), base)
    check("fetch can't write its jar", code == 1 and "written" in err, err)
    code, out, err = run("fetch", "--trace", "-L", base + "redirect")
    words = ("looks for http", "tries 127.0.0.1", "TCP is connected to", ", HTTP/1.1\n", "the request is written",
             "307 Temporary Redirect", "is sent on to", "begins anew", "200 OK", "all is here")
    check("fetch tells its steps", code == 0 and out == b"GET - " and all(w in err for w in words), err)
    code, out, err = run("fetch", "--trace", "http://127.0.0.1:1/")
    check("fetch tells what fails", code == 1 and "can't reach 127.0.0.1:1: the connection was refused" in err, err)
    code, out, err = run("fetch", "--bearer", "abc", base + "token")
    check("fetch with a token", out == b"GET Bearer abc ", (code, out, err))
    for version in ("--http1.1", "--http2"):
        check("fetch " + version, run("fetch", version, base)[1] == b"GET - ")
    code, out, err = run("fetch", "--http2-prior-knowledge", base)
    check("fetch by HTTP/2 of a server that does not speak it", code == 1 and out == b"" and base in err, (code, err))
    for words in (["-u", "@" + os.path.join(where, "none")], ["-d", "@" + os.path.join(where, "none")],
                  ["-d", "@" + where], ["-T", os.path.join(where, "none")],
                  ["-T", where], ["-o", os.path.join(where, "none", "x")]):
        code, out, err = run("fetch", *words, base)
        check("fetch with %s" % words, code == 1 and len(err.splitlines()) == 1, (code, err))
    with open(os.path.join(where, "large"), "wb") as file:
        file.truncate((16 << 20) + 1)
    code, out, err = run("fetch", "-d", "@" + os.path.join(where, "large"), base)
    check("fetch keeps no large file in memory", code == 1 and "16 MiB" in err, err)
    for words in ([], ["-o", "x", base, base], ["-o", "x" * 300, base], ["-O", base], ["-O", base + ".x"],
                  ["-O", "http://a b/"], ["-P", "0", base], ["--retry", "x", base], ["-m", "9999999", base],
                  ["--json", "1", *["-H", "a: b"] * 32, base], [*["-H", "a: b"] * 31, "--json", "1", base],
                  [base] * 101, ["-T"], ["--json"], ["-d"], ["-P"], ["--retry"], ["-m"]):
        code, out, err = run("fetch", *words)
        check("fetch %s" % words[:3], code == 2 and len(err.splitlines()) == 1, (code, err))
    kept = os.getcwd()
    os.chdir(where)
    names = ["file%d" % i for i in range(7)]
    code, out, err = run("fetch", "-O", "-P", "3", "--retry", "1", "-m", "20", *[base + name for name in names])
    whole = all(open(name).read() == "GET - " for name in names)
    check("fetch of several into files of their names", code == 0 and whole and not out and not err, (code, err))
    os.mkdir("folder")
    code, out, err = run("fetch", "-O", base + "folder", base + "file8", base + "nothing")
    check("fetch goes on after one that fails", code == 1 and os.path.exists("file8") and
          len(err.splitlines()) == 2, (code, err))
    os.chdir(kept)
    slow = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow", stays=True)
    running = subprocess.Popen([PLAIT, "fetch", "http://127.0.0.1:%d/" % slow], stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    check("fetch begins", running.stdout.read(4) == b"slow")
    for _ in range(2):
        running.terminate()
        time.sleep(0.3)
    err = running.communicate(timeout=20)[1]
    check("fetch can be stopped", running.returncode == 1 and b"did not arrive whole" in err, err)
    running = subprocess.Popen([PLAIT, "fetch", "--retry", "9", "http://127.0.0.1:1/"], stderr=subprocess.PIPE)
    time.sleep(1)
    running.terminate()
    err = running.communicate(timeout=20)[1]
    check("fetch can be stopped while it waits", running.returncode == 1 and b"stopped before" in err, err)
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

    # Several files on a terminal, and TLS told step by step.
    os.chdir(where)
    ports = [one_answer(b"HTTP/1.0 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000) for _ in range(2)]
    master, slave = os.openpty()
    done = subprocess.run([PLAIT, "fetch", "-O", *["http://127.0.0.1:%d/t%d" % (p, p) for p in ports]], stderr=slave,
                          timeout=30)
    os.close(slave)
    told = os.read(master, 10000)
    os.close(master)
    check("fetch of several on a terminal", done.returncode == 0 and b"2 of 2 done" in told and b"10 kB" in told, told)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=here",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out",
                    "cert"], check=True, capture_output=True)
    os.chdir(kept)
    secure = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(where, "cert"), os.path.join(where, "key"))
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    url = "https://127.0.0.1:%d/" % secure.server_address[1]
    code, out, err = run("fetch", "--trace", url, env={**os.environ, "SSL_CERT_FILE": os.path.join(where, "cert")})
    check("fetch tells of TLS", code == 0 and "TLSv1.3" in err and
          "certificate of CN=here" in err.replace(" = ", "="), (code, err))
    secure.shutdown()
    for words in (["-u", "ann"], ["-u", "x" * 600 + ":y"], ["-u"]):
        code, out, err = run("fetch", *words, *([] if words == ["-u"] else [base]))
        check("fetch refuses %.20s" % words, code == 2 and len(err.splitlines()) == 1, (code, err))

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
