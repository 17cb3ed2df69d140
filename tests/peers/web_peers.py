# SPDX-License-Identifier: MIT
"""What stands around our web server's folder beside programs that nobody here wrote: curl, wget and Twisted's Agent,
with compression, passwords, uploads, redirections; git's CGI program and its client; Perl and Python scripts; PHP and
fcgiwrap over FastCGI; OpenSSL as responder and as client of OCSP. A peer that is missing is a failure."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

from peers import OURS_SERVES, Running, check, failures, free_port, wait_port

BUILD = os.environ["PLAIT_BUILD"]
AGENT = """
import base64, sys
from twisted.internet import reactor
from twisted.web.client import Agent, ContentDecoderAgent, GzipDecoder, readBody
from twisted.web.http_headers import Headers
agent = ContentDecoderAgent(Agent(reactor), [(b'gzip', GzipDecoder)])
fields = Headers({'Authorization': ['Basic ' + base64.b64encode(b'ann:secret').decode()]})
d = agent.request(b'GET', sys.argv[1].encode(), fields)
d.addCallback(readBody).addCallback(sys.stdout.buffer.write).addErrback(print)
d.addBoth(lambda _: reactor.stop())
reactor.run()
"""


def output(*words, **more):
    done = subprocess.run(words, capture_output=True, timeout=40, **more)
    return done.stdout


def curl(*words, **more):
    return output("curl", "-sS", "--max-time", "20", *words, **more)


def around_a_folder(folder, page):
    port = free_port()
    base = "http://127.0.0.1:%d/" % port
    with Running(os.path.join(BUILD, "plait"), "serve", "web", "--root", folder, "--compress", "--user", "ann:secret",
                 "--redirect", "away=/page.html", "--listen", "tcp:%d" % port, stdout=subprocess.DEVNULL):
        wait_port(port)
        ann = ["-u", "ann:secret"]
        check("curl", "HTTP: Basic", OURS_SERVES, curl(*ann, base + "page.html") == page)
        check("curl", "HTTP: Digest with SHA-256", OURS_SERVES, curl("--digest", *ann, base + "page.html") == page)
        check("curl", "HTTP: a wrong password", OURS_SERVES,
              curl("--digest", "-u", "ann:x", "-o", "/dev/null", "-w", "%{http_code}", base + "page.html") == b"401")
        for coding in (b"gzip", b"br"):
            seen = curl(*ann, "-D", "-", "-o", os.path.join(folder, "out"), "--compressed", "-H",
                        b"Accept-Encoding: " + coding, base + "page.html")
            with open(os.path.join(folder, "out"), "rb") as file:
                check("curl", "HTTP: compressed with " + coding.decode(), OURS_SERVES,
                      b"Content-Encoding: " + coding in seen and file.read() == page, seen)
        check("curl", "HTTP: a precompressed file", OURS_SERVES,
              curl(*ann, "-H", "Accept-Encoding: gzip", base + "other.html") == b"as it was compressed")
        check("curl", "HTTP: a redirected path", OURS_SERVES, curl(*ann, "-L", base + "away") == page)
        check("wget", "HTTP: Basic", OURS_SERVES,
              output("wget", "-q", "--user=ann", "--password=secret", "-O", "-", base + "page.html") == page)
        check("wget", "HTTP: compressed with gzip", OURS_SERVES,
              output("wget", "-q", "--user=ann", "--password=secret", "--compression=auto", "-O", "-",
                     base + "page.html") == page)
        check("Twisted", "HTTP: compressed with gzip", OURS_SERVES,
              output("/usr/bin/python3", "-W", "ignore", "-c", AGENT, base + "page.html") == page)


def uploads(folder):
    port = free_port()
    base = "http://127.0.0.1:%d/" % port
    os.mkdir(os.path.join(folder, "uploads"))
    sent = os.path.join(folder, "sent")
    with open(sent, "wb") as file:
        file.write(os.urandom(3 << 20))
    upload = subprocess.Popen([os.path.join(BUILD, "examples", "upload"), "tcp:%d" % port], cwd=folder,
                              stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        seen = curl("-F", "file=@" + sent, "-F", "field=value", "-F", "file=@%s/page.html" % folder, base)
        with open(sent, "rb") as one, open(os.path.join(folder, "uploads", "sent"), "rb") as other:
            check("curl", "HTTP: an upload of two files", OURS_SERVES,
                  b"page.html: 10000 bytes" in seen and one.read() == other.read(), seen)
        again = curl("-o", "/dev/null", "-w", "%{http_code}", "-F", "file=@" + sent, base)
        check("curl", "HTTP: an upload of a name that is taken", OURS_SERVES, again == b"409", again)
    finally:
        upload.terminate()
        upload.wait()


SCRIPTS = {
    "git": """#!/bin/sh
export GIT_PROJECT_ROOT='%s/repositories' GIT_HTTP_EXPORT_ALL=1 REMOTE_USER=somebody
exec git http-backend
""",
    "perl": """#!/usr/bin/perl
use strict; my $body; read STDIN, $body, $ENV{CONTENT_LENGTH};
print "Content-Type: text/plain\\r\\nStatus: 201 Made\\r\\n\\r\\n", scalar reverse $body;
""",
    "python": """#!/usr/bin/python3
import os, urllib.parse
print("Content-Type: text/plain\\nCache-Control: max-age=100\\n")
print(os.environ["PATH_INFO"], urllib.parse.parse_qs(os.environ["QUERY_STRING"])["q"][0], os.getpid())
""",
}


def git(folder, *words):
    names = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": folder}
    for who in ("AUTHOR", "COMMITTER"):
        names.update({"GIT_%s_NAME" % who: "a", "GIT_%s_EMAIL" % who: "a@example.org"})
    done = subprocess.run(["git", *words], capture_output=True, timeout=60, env={**os.environ, **names})
    return done.returncode == 0


def gateways(folder):
    port = free_port()
    base = "http://127.0.0.1:%d/cgi/" % port
    scripts = os.path.join(folder, "scripts")
    bare = os.path.join(folder, "repositories", "one.git")
    os.mkdir(scripts)
    for name, text in SCRIPTS.items():
        with open(os.path.join(scripts, name), "w") as file:
            file.write(text.replace("%s", folder))
        os.chmod(os.path.join(scripts, name), 0o755)
    git(folder, "init", "-q", "--bare", bare)
    git(folder, "-C", bare, "config", "http.receivepack", "true")
    with Running(os.path.join(BUILD, "plait"), "serve", "web", "--root", folder, "--cgi", "cgi=" + scripts, "--cache",
                 "1000000", "--listen", "tcp:%d" % port, stdout=subprocess.DEVNULL):
        wait_port(port)
        one, two = (os.path.join(folder, name) for name in ("first", "second"))
        check("git", "CGI: a clone of nothing", OURS_SERVES, git(folder, "clone", "-q", base + "git/one.git", one))
        with open(os.path.join(one, "file"), "wb") as file:
            file.write(os.urandom(3 << 20))
        git(folder, "-C", one, "add", "file")
        git(folder, "-C", one, "commit", "-q", "-m", "a commit")
        check("git", "CGI: a push of three megabytes", OURS_SERVES,
              git(folder, "-C", one, "push", "-q", "origin", "HEAD"))
        check("git", "CGI: a clone", OURS_SERVES,
              git(folder, "clone", "-q", base + "git/one.git", two) and os.path.exists(os.path.join(two, "file")))
        for version in ("--http1.1", "--http2-prior-knowledge"):
            seen = curl(version, "-w", "%{http_code}", "--data-binary", "@-", base + "perl", input=b"abc" * 50000)
            check("Perl", "CGI: a body over HTTP/" + ("2" if "2" in version else "1.1"), OURS_SERVES,
                  seen == b"cba" * 50000 + b"201", seen[:200])
        seen = [curl(base + "python/x%20y?q=a+b") for _ in range(2)]
        check("Python", "CGI: a path and a query", OURS_SERVES, seen[0].startswith(b"/x y a b "), seen)
        check("curl", "HTTP: a kept answer", OURS_SERVES, seen[0] == seen[1] and
              b"hit" in curl("-D", "-", "-o", "/dev/null", base + "python/x%20y?q=a+b"), seen)


PHP = """<?php
header('Content-Type: text/plain');
header('X-Lang: php');
if (isset($_GET['log'])) error_log('said beside');
if (isset($_FILES['f'])) echo md5_file($_FILES['f']['tmp_name']);
else echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['PATH_INFO'] ?? '-', ' ',
    $_GET['q'] ?? '-', ' ', strlen(file_get_contents('php://input'));
"""
FPM = """[global]
daemonize = no
error_log = /dev/stderr
[www]
listen = %(folder)s/fpm.sock
user = root
group = root
pm = static
pm.max_children = 2
catch_workers_output = no
php_admin_value[upload_max_filesize] = 8M
php_admin_value[post_max_size] = 9M
"""


def wait_path(path):
    for _ in range(200):
        if os.path.exists(path):
            return
        time.sleep(0.05)


def around_fastcgi(folder):
    """A site of PHP scripts and files, with PHP's process manager and with its CGI program; a folder with fcgiwrap."""
    site = os.path.join(folder, "site")
    os.makedirs(os.path.join(site, "sub"))
    for name, text in (("a.php", PHP), ("sub/index.php", PHP), ("front.php", PHP), ("plain.txt", "plain"),
                       ("t.pl", SCRIPTS["perl"])):
        with open(os.path.join(site, name), "w") as file:
            file.write(text)
    os.chmod(os.path.join(site, "t.pl"), 0o755)
    big = os.path.join(folder, "big")
    with open(big, "wb") as file:
        file.write(os.urandom(3 << 20))
    with open(os.path.join(folder, "fpm.conf"), "w") as file:
        file.write(FPM % {"folder": folder})
    php = [("PHP-FPM", "fpm.sock", ["php-fpm8.2", "-n", "-R", "-F", "-y", os.path.join(folder, "fpm.conf")]),
           ("php-cgi", "php.sock", ["php-cgi", "-n", "-d", "upload_max_filesize=8M", "-d", "post_max_size=9M", "-b",
                                    os.path.join(folder, "php.sock")])]
    for name, socket, words in php:
        wrap = os.path.join(folder, name + "-wrap.sock")
        socket = os.path.join(folder, socket)
        port = free_port()
        base = "http://127.0.0.1:%d/" % port
        with Running(*words, stdout=subprocess.DEVNULL), \
                Running("fcgiwrap", "-s", "unix:" + wrap, stdout=subprocess.DEVNULL):
            wait_path(socket)
            wait_path(wrap)
            with Running(os.path.join(BUILD, "plait"), "serve", "web", "--root", site, "--fastcgi",
                         "*.php=unix:" + socket, "--fastcgi", "*.pl=unix:" + wrap, "--fastcgi-front", "front.php",
                         "--listen", "tcp:%d" % port, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as ours:
                wait_port(port)
                seen = curl("-i", base + "a.php/x%20y?q=a+b")
                check(name, "FastCGI: a path and a query", OURS_SERVES,
                      b"X-Lang: php" in seen and seen.endswith(b"GET /a.php /x y a b 0"), seen)
                for version in ("--http1.1", "--http2-prior-knowledge"):
                    seen = curl(version, "-H", "Content-Type: application/octet-stream", "--data-binary", "@" + big,
                                base + "a.php")
                    check(name, "FastCGI: a body over HTTP/" + ("2" if "2" in version else "1.1"), OURS_SERVES,
                          seen == b"POST /a.php - - 3145728", seen[:200])
                seen = curl("-F", "f=@" + big, base + "a.php")
                check(name, "FastCGI: an upload", OURS_SERVES, seen == output("md5sum", big)[:32], seen[:200])
                seen = curl("-H", "Transfer-Encoding: chunked", "--data-binary", "abcdef", base + "sub/")
                check(name, "FastCGI: a folder's index, a body of unknown length", OURS_SERVES,
                      seen == b"POST /sub/index.php - - 6", seen[:200])
                seen = curl(base + "no/such/path?q=1")
                check(name, "FastCGI: the front script", OURS_SERVES, seen == b"GET /front.php - 1 0", seen[:200])
                seen = curl("--parallel", "--parallel-max", "12", *["%sa.php?q=[1-12]" % base])
                check(name, "FastCGI: twelve at once", OURS_SERVES, seen.count(b"GET /a.php") == 12, seen[:200])
                curl(base + "a.php?log=1")
                seen = [curl(base + "plain.txt"), curl("--data-binary", "abc", base + "t.pl")]
                check("fcgiwrap", "FastCGI: beside %s and files" % name, OURS_SERVES, seen == [b"plain", b"cba"], seen)
                ours.terminate()
                said = ours.stderr.read()
                check(name, "FastCGI: what it says beside", OURS_SERVES, "said beside" in said, said[-300:])


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=40).stdout


def make_pki(at):
    """An issuer, a certificate of its with its chain, and the issuer's index, in which it is good."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-subj", "/CN=issuer")
    openssl("req", *key[:-2], "-keyout", at("key"), "-out", at("request"), "-subj", "/CN=localhost")
    with open(at("names"), "w") as file:
        file.write("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", at("request"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-set_serial", "0x77",
            "-days", "2", "-extfile", at("names"), "-out", at("cert"))
    with open(at("chain"), "w") as chain:
        for name in ("cert", "ca.pem"):
            with open(at(name)) as file:
                chain.write(file.read())
    with open(at("index"), "w") as file:
        file.write("V\t%s\t\t77\tunknown\t/CN=localhost\n" % time.strftime("%y%m%d000000Z",
                                                                          time.gmtime(time.time() + 9 * 86400)))


def stapling():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    at = lambda name: os.path.join(folder, name)
    make_pki(at)
    openssl("ocsp", "-issuer", at("ca.pem"), "-cert", at("cert"), "-no_nonce", "-reqout", at("question"))
    openssl("ocsp", "-index", at("index"), "-CA", at("ca.pem"), "-rsigner", at("ca.pem"), "-rkey", at("ca.key"),
            "-reqin", at("question"), "-respout", at("response"), "-ndays", "1")
    port, bare = free_port(), free_port()
    for name, ocsp in ((port, ":ocsp=" + at("response")), (bare, "")):
        endpoint = "tls:%d:cert=%s:key=%s%s" % (name, at("chain"), at("key"), ocsp)
        with Running(os.path.join(BUILD, "plait"), "serve", "web", "--root", folder, "--listen", endpoint,
                     stdout=subprocess.DEVNULL):
            wait_port(name)
            seen = output("openssl", "s_client", "-connect", "localhost:%d" % name, "-status", "-CAfile", at("ca.pem"),
                          stdin=subprocess.DEVNULL)
            got = curl("--cacert", at("ca.pem"), "--cert-status", "https://localhost:%d/index" % name)
            if ocsp:
                check("OpenSSL", "TLS: a response of its responder is stapled", OURS_SERVES,
                      b"OCSP Response Status: successful" in seen and b"Cert Status: good" in seen, seen)
                check("curl", "TLS: --cert-status takes what is stapled", OURS_SERVES, got.startswith(b"V\t"), got)
            else:
                check("OpenSSL", "TLS: nothing is stapled where there is nothing", OURS_SERVES,
                      b"OCSP response: no response sent" in seen, seen)
                check("curl", "TLS: --cert-status without a staple fails", OURS_SERVES, got == b"", got)
    shutil.rmtree(folder)


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    page = b"<p>page</p>"[:10] * 1000
    for name, content in (("page.html", page), ("other.html", b"plain"), ("other.html.gz", b"as it was compressed")):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    stapling()
    around_a_folder(folder, page)
    uploads(folder)
    gateways(folder)
    around_fastcgi(folder)
    shutil.rmtree(folder)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
