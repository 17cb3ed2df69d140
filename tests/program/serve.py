# SPDX-License-Identifier: MIT
"""plait serve and plait up: each service answers where its line says, signals end it, an address in use is told."""
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
import sys

sys.dont_write_bytecode = True

from harness import Server, ask_datagram, check, finish, folder, run, talk, wrong

with folder() as where:
    with open(os.path.join(where, "hello.txt"), "w") as file:
        file.write("Hello\n")
    table = os.path.join(where, "people")
    with open(table, "w") as file:
        file.write("# people\r\n\r\nann:Ann Example:To rest\r\nbob:Bob")
    local = os.path.join(where, "socket")
    with Server("serve", "web", "--root", where, "--listen", "tcp:0", "finger", "--table", table, "-l", "tcp:0",
                "echo", "--listen", "udp:0", "--listen=tcp:0", "--listen", "unix:" + local,
                "daytime", "--listen", "udp:0:interface=*", "--listen", "tcp:0",
                "qotd", "--quote", "As told", "--listen", "tcp:0", "--listen", "udp:0",
                "chargen", "--listen", "tcp:0", "time", "--listen", "tcp:0", "discard", "--listen", "tcp:0",
                "netstring", "--listen", "tcp:0", lines=13) as s:
        base = "http://127.0.0.1:%d/" % s.port("web")
        check("the web's line is a URL", s.lines[0].split()[1] == base, s.lines)
        check("web", urllib.request.urlopen(base + "hello.txt").read() == b"Hello\n")
        check("web lists the folder", b"hello.txt" in urllib.request.urlopen(base).read())
        ann = talk(s.port("finger"), b"ann\r\n")
        check("finger", ann == b"Login: ann\r\nName: Ann Example\r\nPlan:\r\nTo rest\r\n", ann)
        check("finger lists", talk(s.port("finger"), b"\r\n").count(b"\r\n") == 2)
        check("echo", talk(s.port("echo", "tcp"), b"back") == b"back")
        check("echo over datagrams", ask_datagram(s.port("echo", "udp"), b"back") == b"back")
        with socket.socket(socket.AF_UNIX) as u:
            u.connect(local)
            u.sendall(b"local")
            check("echo over a UNIX socket", u.recv(100) == b"local")
        check("daytime", b"-UTC\r\n" in talk(s.port("daytime", "tcp")))
        check("daytime over datagrams", b"-UTC" in (ask_datagram(s.port("daytime", "udp"), b"x" * 64) or b""))
        check("no answer larger than the question", ask_datagram(s.port("daytime", "udp"), b"x", 0.3) is None)
        check("qotd", talk(s.port("qotd", "tcp")) == b"As told\r\n")
        check("qotd over datagrams", ask_datagram(s.port("qotd", "udp"), b"x" * 9) == b"As told\r\n")
        check("chargen", talk(s.port("chargen"), shut=False, most=50000)[72:76] == b"\r\n!\"")
        check("time", abs(int.from_bytes(talk(s.port("time")), "big") - 2208988800 - time.time()) < 5)
        check("discard", talk(s.port("discard"), b"away") == b"")
        check("netstring", talk(s.port("netstring"), b"5:hello,0:,") == b"5:hello,0:,")
        code, err = s.end()
        check("SIGTERM ends it with 0", code == 0 and "SIGTERM" in err, (code, err))
        check("its socket file is gone", not os.path.exists(local))

    with Server("serve", "echo", "--listen", "tcp:0") as s:
        idle = socket.create_connection(("127.0.0.1", s.port("echo")))
        code, err = s.end(signal.SIGINT)
        check("SIGINT ends it too, with a connection open", code == 0 and "SIGINT" in err, (code, err))
        idle.close()

    # A response that its client does not read keeps a drain waiting; the second signal doesn't wait.
    with open(os.path.join(where, "large"), "wb") as file:
        file.truncate(64 << 20)
    with Server("serve", "web", "--root", where, "--listen", "tcp:0") as s:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", s.port("web")))
        slow.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        slow.recv(100)
        began = time.time()
        s.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        check("a drain waits for what is under way", s.process.poll() is None)
        code, err = s.end(signal.SIGINT)
        check("a second SIGINT forces the end", time.time() - began < 5, code)
        slow.close()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        wrong("a port in use", ["serve", "echo", "--listen", "tcp:" + port], "already in use", port, status=1)
        wrong("a port in use, with up", ["up", "--web", "tcp:" + port], "already in use", port, status=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        wrong("a datagram port in use", ["serve", "echo", "--listen", "udp:" + port], "already in use", port, status=1)

    with Server("serve", "web", "--root", where, "--no-listing", "--listen", "tcp:0") as s:
        answer = talk(s.port("web"), b"GET / HTTP/1.0\r\n\r\n")
        check("web without a listing", b"hello.txt" not in answer and b" 40" in answer[:14], answer[:100])
        s.end()

    # Without an endpoint a service goes where `up` puts it, which may be somebody else's place.
    with Server("serve", "time") as s:
        at_home = s.lines[0].split() == ["time", "tcp", "127.0.0.1:7037"]
        code, err = s.end()
        check("serve without an endpoint", at_home and code == 0 or code == 1 and "7037" in err, (s.lines, code, err))

    # The fixed ports of `up` may be somebody else's on this machine; then it must say so.
    with Server("up", "--root", where, "--web", "tcp:0", "--no-listing", lines=11) as s:
        if s.lines[-1].startswith("Listening"):
            check("up prints a line for each service", len(s.lines) == 11 and s.lines[0].startswith("web"), s.lines)
            base = s.lines[1].split()[-1]
            page = urllib.request.urlopen(base).read()
            check("up: the live page", base.endswith("/_plait/") and b'<script src="live.js" defer>' in page, s.lines)
            state = json.load(urllib.request.urlopen(base + "state"))
            check("up: its state names every service",
                  sorted(service["name"] for service in state["services"])
                  == ["chargen", "daytime", "discard", "echo", "finger", "http", "netstring-echo", "qotd", "time"],
                  state)
            check("up: echo", talk(s.port("echo"), b"back") == b"back")
            check("up: finger knows no nobody", b"No such user" in talk(s.port("finger"), b"no-such-user-here\r\n"))
            code, err = s.end()
            check("up: SIGTERM ends it with 0", code == 0, (code, err))
        else:
            code, err = s.end()
            check("up: a port in use is told", code == 1 and "already in use" in err, (code, err))
    wrong("up: too many of one", ["up", *["--user", "a:b"] * 17], "at most 16 of one option")
    wrong("up: a value that lacks", ["up", "--web"], "an option at the end lacks its value")
    wrong("up: an option that is none", ["up", "--live-wire"], "'--live-wire' is not understood")
    with Server("up", "--root", where, "--web", "tcp:0", "--no-live", "--user", "ann:secret", lines=2) as s:
        check("up: without the live page", not any(line.startswith("live page") for line in s.lines), s.lines)
        try:
            urllib.request.urlopen("http://127.0.0.1:%d/_plait/" % s.port("web"))
            check("up: options of the web server hold", False)
        except urllib.error.HTTPError as answer:
            check("up: options of the web server hold", answer.code == 401, answer.code)
        s.end()
finish()
