# SPDX-License-Identifier: MIT
"""plait serve web with what stands around the folder: compression, users, limits, hosts, pages, the log; wrong values
are told in one line."""
import base64
import gzip
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True

from harness import Server, check, finish, folder, run, talk, wrong


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


opener = urllib.request.build_opener(Stay)


def get(port, path, **fields):
    """(status, fields, body)"""
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path),
                                     headers={name.replace("_", "-"): value for name, value in fields.items()})
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def write(where, name, text):
    path = os.path.join(where, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


ANN = "Basic " + base64.b64encode(b"ann:secret").decode()

with folder() as where:
    root = os.path.join(where, "root")
    write(where, "root/page.txt", "a page of some length\n" * 500)
    write(where, "root/new/x.txt", "moved")
    write(where, "other/page.txt", "the other site")
    lost = write(where, "lost.html", "<h1>lost</h1>")
    log = os.path.join(where, "access")
    with Server("serve", "web", "--root", root, "--compress", "--access-log", log, "--access-form", "json",
                "--redirect", "/away=https://example.org/", "--rewrite", "old=new", "--error-page", "404=" + lost,
                "--health", "--metrics", "--host", "other.example=" + os.path.join(where, "other"),
                "--in-flight", "100", "--listen", "tcp:0") as s:
        port = s.port("web")
        status, fields, body = get(port, "/page.txt", Accept_Encoding="gzip")
        check("compressed", fields["Content-Encoding"] == "gzip" and gzip.decompress(body).startswith(b"a page"),
              fields.items())
        check("brotli where it is liked", get(port, "/page.txt", Accept_Encoding="br")[1]["Content-Encoding"] == "br")
        check("plain for who wants it plain", len(get(port, "/page.txt")[2]) == 11000)
        status, fields, _ = get(port, "/away/x?y")
        check("redirected", status == 308 and fields["Location"] == "https://example.org/x?y", fields.items())
        check("rewritten", get(port, "/old/x.txt")[2] == b"moved")
        check("an error page of one's own", get(port, "/nothing")[0] == 404)
        check("whole", get(port, "/nothing")[2] == b"<h1>lost</h1>")
        check("healthy", get(port, "/health")[2] == b"ready\n")
        check("live", get(port, "/health/live")[2] == b"live\n")
        check("ready", get(port, "/health/ready")[2] == b"ready\n")
        check("metrics", b"plait_http_requests_total" in get(port, "/metrics")[2])
        check("another host", get(port, "/page.txt", Host="other.example")[2] == b"the other site")
        os.rename(log, log + ".1")
        s.process.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        get(port, "/after")
        code, err = s.end()
        check("it ends well", code == 0, (code, err))
        before = [json.loads(line) for line in open(log + ".1")]
        after = [json.loads(line) for line in open(log)]
        check("the log has every request", len(before) == 12 and before[0]["target"] == "/page.txt", len(before))
        check("the log is opened anew by SIGHUP", [line["target"] for line in after] == ["/after"], after)
    with Server("serve", "web", "--root", root, "--user", "ann:secret", "--realm", "home", "--rate", "1/5", "--listen",
                "tcp:0", "web", "--root", root, "--https", "8443", "--hsts", "60", "--listen", "tcp:0", lines=2) as s:
        port = s.port("web")
        status, fields, _ = get(port, "/page.txt")
        offers = fields.get_all("WWW-Authenticate")
        check("users are asked for", status == 401 and len(offers) == 2 and offers[0].startswith('Digest realm="home"'),
              offers)
        check("who is known comes in", get(port, "/page.txt", Authorization=ANN)[0] == 200)
        check("a wrong password does not", get(port, "/page.txt", Authorization="Basic eDp5")[0] == 401)
        many = [get(port, "/page.txt", Authorization=ANN) for _ in range(6)]
        check("too many are 429", many[-1][0] == 429 and int(many[-1][1]["Retry-After"]) > 0, many[-1][0])
        other = int(s.lines[1].rsplit(":", 1)[1].strip().rstrip("/"))
        status, fields, _ = get(other, "/page.txt?x", Host="example.org")
        check("to TLS", status == 308 and fields["Location"] == "https://example.org:8443/page.txt?x", fields.items())
        check("they end well", s.end()[0] == 0)
    with Server("serve", "web", "--root", root, "--listen", "tcp:0") as origin:
        to = "http://127.0.0.1:%d" % origin.port("web")
        with Server("serve", "web", "--proxy", "/=" + to, "--proxy", "deep/er=%s/new,%s/new/" % (to, to), "--health",
                    "--listen", "tcp:0") as s:
            status, fields, body = get(s.port("web"), "/page.txt")
            check("another server's page", status == 200 and len(body) == 11000 and fields["Via"] == "1.1 plait")
            check("below a path", get(s.port("web"), "/deep/er/x.txt")[2] == b"moved")
            check("our own beside it", get(s.port("web"), "/health/live")[0] == 200)
    script = write(where, "cgi/hello",
                   "#!/bin/sh\necho Content-Type: text/plain\necho\necho $SCRIPT_NAME $PATH_INFO\n")
    dated = write(where, "cgi/dated", "#!/bin/sh\necho Content-Type: text/plain\necho Cache-Control: max-age=100\n"
                                      "echo\ndate +%N\n")
    os.chmod(script, 0o755)
    os.chmod(dated, 0o755)
    with Server("serve", "web", "--root", root, "--cgi", "cgi-bin=" + os.path.dirname(script), "--cgi",
                "/one=" + script, "--listen", "tcp:0") as s:
        check("a program of a folder", get(s.port("web"), "/cgi-bin/hello/x")[2] == b"/cgi-bin/hello /x\n")
        check("a program", get(s.port("web"), "/one/x/y")[2] == b"/one /x/y\n")
        s.end()
    write(where, "root/s.php", "a script")
    gone = "unix:" + os.path.join(where, "no application")
    with Server("serve", "web", "--root", root, "--fastcgi", "*.php=" + gone, "--fastcgi", "app=" + gone,
                "--fastcgi-front", "s.php", "--listen", "tcp:0", "web", "--fastcgi", "/=" + gone, "--listen", "tcp:0",
                lines=2) as s:
        port = s.port("web")
        check("an application that is not there", [get(port, path)[0] for path in ("/s.php", "/app/x", "/none")] ==
              [502, 502, 502])
        check("a file beside its scripts", get(port, "/page.txt")[0] == 200)
        s.end()
    with Server("serve", "web", "--fastcgi", "/=" + gone, "--listen", "tcp:0") as s:
        check("an application for everything", get(s.port("web"), "/page.txt")[0] == 502)
        s.end()
    with Server("serve", "web", "--root", root, "--access-log", "-", "--listen", "tcp:0") as s:
        get(s.port("web"), "/page.txt")
        s.end()
        check("the log on standard output", '"GET /page.txt HTTP/1.1" 200 11000' in s.rest and not os.path.exists("-"),
              s.rest)
    users = os.path.join(root, "users")
    check("a password file", run("passwd", users, "ann", input=b"secret\n")[0] == 0)
    with Server("serve", "web", "--root", root, "--users", users, "--user", "bob:b", "--listen", "tcp:0") as s:
        port = s.port("web")
        offers = get(port, "/page.txt")[1].get_all("WWW-Authenticate")
        check("a password file: Basic alone", len(offers) == 1 and offers[0].startswith("Basic "), offers)
        check("who stands in the file comes in", get(port, "/page.txt", Authorization=ANN)[0] == 200)
        check("so does who was named", get(port, "/page.txt", Authorization="Basic Ym9iOmI=")[0] == 200)
        began = time.monotonic()
        check("nobody else does", get(port, "/page.txt", Authorization="Basic eDp5")[0] == 401)
        check("and a failure is slow", time.monotonic() - began >= 0.99)
    with Server("serve", "web", "--root", root, "--live", "--live-hosts", "home.example,lab.example", "--listen",
                "haproxy:tcp:0", "--listen", "tcp:0", "--listen", "unix:" + os.path.join(where, "socket"),
                "web", "--root", root, "--live", "--user", "ann:secret", "--listen", "haproxy:tcp:0", lines=7) as s:
        proxied, plain, guarded = (int(line.rsplit(":", 1)[1].split("/")[0]) for line in s.lines if "_plait" in line)
        check("the live page has a line where it has an address", len(s.lines) == 7, s.lines)
        check("the live page", get(plain, "/_plait/")[0] == 200)
        check("by a name that was given", get(plain, "/_plait/state", Host="lab.example:80")[0] == 200)
        check("not by another", get(plain, "/_plait/state", Host="evil.example")[0] == 421)
        check("not for another origin", get(plain, "/_plait/state", Origin="http://evil.example")[0] == 403)
        asked = (b" TCP4 %s 127.0.0.1 5 80\r\n"
                 b"GET /_plait/state HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n")
        near, far, known = b"127.0.0.9", b"192.0.2.1", b"Authorization: %s\r\n" % ANN.encode()
        check("this machine sees it", b" 200 OK" in talk(proxied, b"PROXY" + asked % (near, b""), shut=False))
        check("another does not", b" 403 " in talk(proxied, b"PROXY" + asked % (far, b""), shut=False))
        check("without the password neither", b" 401 " in talk(guarded, b"PROXY" + asked % (far, b""), shut=False))
        check("with it another does", b" 200 OK" in talk(guarded, b"PROXY" + asked % (far, known), shut=False))
        page = urllib.request.urlopen("http://127.0.0.1:%d/_plait/events" % plain, timeout=10)
        first = page.readline()
        began = time.time()
        code, err = s.end()
        check("a page that is open holds no end up", code == 0 and time.time() - began < 5, (code, err))
        check("its events began", first == b"retry: 2000\n", first)
    web = ["serve", "web", "--root", root]
    wrong("--live-hosts", web + ["--live", "--live-hosts", "a" * 501], "--live-hosts takes names with commas between")
    wrong("--user", web + ["--user", "ann"], "--user wants a name and a password, as in ann:secret")
    wrong("--user without a name", web + ["--user", ":x"], "--user wants")
    wrong("--user twice", web + ["--user", "a:b", "--user", "a:c"], "--user a stands twice")
    wrong("--users' path", web + ["--users", "x" * 1001], "cannot be read", status=78)
    wrong("--realm", web + ["--user", "a:b", "--realm", 'a"b'], "--realm 'a\"b' has a quote")
    wrong("--rate", web + ["--rate", "x"], "--rate 'x' is not requests a second, as in 10, or 10/50")
    wrong("--rate's burst", web + ["--rate", "1/0"], "--rate '1/0'")
    wrong("--in-flight", web + ["--in-flight", "0"], "--in-flight '0' is not a number of requests from 1 on")
    wrong("--https", web + ["--https", "65536"], "--https '65536' is not a port from 1 to 65535")
    wrong("--hsts", web + ["--https", "443", "--hsts", "x"], "--hsts 'x' is not a number of seconds")
    wrong("--hsts alone", web + ["--hsts", "60"], "--hsts wants --https PORT")
    wrong("--redirect", web + ["--redirect", "x"], "--redirect 'x' is not of the form PATH=URL")
    wrong("--redirect to nowhere", web + ["--redirect", "../x=y"], "--redirect '../x=y'")
    wrong("--proxy", web + ["--proxy", "x"], "--proxy 'x' is not of the form PATH=URL")
    wrong("--proxy's path", web + ["--proxy", "../x=http://a"], "--proxy '../x=http://a' has a path")
    wrong("--proxy's origins", web + ["--proxy", "x=a"], "--proxy 'x=a' names no origins")
    wrong("--proxy's root", web + ["--proxy", "/=a"], "--proxy '/=a' names no origins")
    with Server("serve", "web", "--root", root, "--cgi", "c=" + os.path.dirname(script), "--cache", "1000000/10",
                "--listen", "tcp:0") as s:
        first, second = (get(s.port("web"), "/c/dated") for _ in range(2))
        check("the first is forwarded", "fwd=uri-miss" in first[1]["Cache-Status"], first[1].items())
        check("the second is kept", "hit" in second[1]["Cache-Status"] and first[2] == second[2], second[1].items())
        s.end()
    wrong("--cache's per cent", web + ["--cache", "1000/101"], "--cache '1000/101' is not a number of bytes")
    wrong("--cache", web + ["--cache", "x"], "--cache 'x' is not a number of bytes")
    wrong("--cgi", web + ["--cgi", "x"], "--cgi 'x' is not of the form PATH=DIR")
    wrong("--cgi's path", web + ["--cgi", "../x=" + root], "--cgi '../x=")
    wrong("--cgi's folder", web + ["--cgi", "x=/nowhere"], "'/nowhere' is neither a folder nor a program", status=78)
    wrong("--fastcgi", web + ["--fastcgi", "x"], "--fastcgi 'x' is neither of the form")
    wrong("--fastcgi's path", web + ["--fastcgi", "../x=tcp:h:1"], "--fastcgi '../x=tcp:h:1' has a path that is none")
    wrong("--fastcgi's endpoint", web + ["--fastcgi", "x=tpc:h:1"], "did you mean \"tcp\"")
    wrong("--fastcgi's scripts", web + ["--fastcgi", "*.php=:"], "--fastcgi '*.php=:' has no endpoint")
    wrong("--rewrite", web + ["--rewrite", "x"], "--rewrite 'x' is not of the form FROM=TO")
    wrong("--host", web + ["--host", "x"], "--host 'x' is not of the form NAME=DIR")
    wrong("--host's name", web + ["--host", "a b=" + root], "--host 'a b=")
    wrong("--host's folder", web + ["--host", "a=/nowhere"], "the folder '/nowhere' cannot be served", status=1)
    wrong("--error-page", web + ["--error-page", "200=x"], "--error-page '200=x' is not of the form STATUS=FILE")
    wrong("--error-page's file", web + ["--error-page", "404=/nowhere"], "the error page '/nowhere' cannot be read",
          status=78)
    wrong("--error-page too large", web + ["--error-page", "404=/dev/zero"], "has 256 KiB and more", status=78)
    wrong("--access-form", web + ["--access-form", "xml"], "--access-form 'xml' is neither combined nor json")
    wrong("--access-log", web + ["--access-log", "/nowhere/log"], "the access log '/nowhere/log' cannot be opened",
          status=78)
    wrong("too many of one", web + ["--rewrite", "a=b"] * 17, "at most 16 of one option")
    wrong("a value that lacks", web + ["--user"], "the last option lacks its value")
    wrong("an option of web alone", ["serve", "echo", "--compress"], "'--compress' is neither an option nor a service")

finish()
