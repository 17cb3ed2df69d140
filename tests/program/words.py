# SPDX-License-Identifier: MIT
"""The command line: help, version, and one line for each mistake that says what is wrong and what would be right."""
import os
import re
import sys

sys.dont_write_bytecode = True

from harness import check, finish, folder, run, wrong

code, out, err = run("--help")
commands = (b"up", b"serve", b"fetch", b"finger", b"passwd")
check("--help names every command", code == 0 and all(b"plait " + c in out for c in commands), out)
check("--help is for standard output", err == "", err)
check("-h and help are the same", run("-h") == run("--help") == run("help"))
code, out, err = run("--version")
check("--version", code == 0 and re.fullmatch(rb"plait \d+\.\d+\.\d+\n", out), out)
for command in ("up", "serve", "fetch", "finger", "passwd"):
    code, out, err = run(command, "--help")
    check(command + " --help", code == 0 and out.startswith(b"Usage: plait " + command.encode()) and err == "", out)
check("help behind other words", run("serve", "web", "--help")[0] == 0)
code, out, err = run()
check("no words: help on standard error", code == 2 and not out and "Usage" in err, err)

wrong("an unknown command", ["serv"], "'serv'", "--help")
wrong("up: an unknown option", ["up", "--rot", "x"], "'--rot'", "--help")
wrong("up: an option without its value", ["up", "--root"], "value")
for form in (["--log", "xml"], ["--log"], ["--log-level", "loud"], ["--log-level"]):
    wrong("up: a log that is none", ["up"] + form, "text or json")
    wrong("serve: a log that is none", ["serve"] + form, "text or json")
code, out, err = run("serve", "--log=json", "--log-level", "error", "ech")
check("serve: log options come first", code == 2 and "'ech'" in err, (code, err))
wrong("serve: nothing", ["serve"], "which service", "--help")
wrong("serve: an unknown service", ["serve", "ech"], "'ech'", "--help")
wrong("serve: an unknown option", ["serve", "web", "--rot", "x"], "web", "'--rot'", "--help")
wrong("serve: an option without its value", ["serve", "web", "--root"], "value")
wrong("serve: an unknown kind of endpoint", ["serve", "echo", "--listen", "tpc:0"], "tpc", "tcp")
wrong("serve: a port that is none", ["serve", "echo", "--listen", "tcp:99999"], "99999")
wrong("serve: a word too many in an endpoint", ["serve", "echo", "--listen", "tcp:0:colour=red"], "colour")
wrong("serve: a datagram port that is none", ["serve", "echo", "--listen", "udp:x"], "udp:7007")
wrong("serve: a datagram interface that is none", ["serve", "echo", "--listen", "udp:0:interface=lo"], "lo")
wrong("serve: a word too many for datagrams", ["serve", "echo", "--listen", "udp:0:colour=red"], "colour")
wrong("serve: no datagrams for the web", ["serve", "web", "--listen", "udp:0"], "tcp:")
wrong("serve: too many endpoints", ["serve", "echo"] + ["--listen", "tcp:0"] * 17, "at most 16")
many = [w for _ in range(17) for w in ("echo", "--listen", "udp:0", "--listen", "udp:0")]
code, out, err = run("serve", *many)
check("serve: too many datagram endpoints", code == 2 and "at most 32" in err, (code, err))
wrong("serve: a folder that is none", ["serve", "web", "--root", "/nonexistent"], "/nonexistent", status=1)
wrong("fetch: nothing", ["fetch"], "URL")
wrong("fetch: two URLs into one file", ["fetch", "-o", "x", "http://a/", "http://b/"], "--remote-name")
wrong("fetch: an unknown option", ["fetch", "--colour", "http://a/"], "'--colour'", "--help")
wrong("fetch: a header without a colon", ["fetch", "-H", "nonsense", "http://a/"], "Name: value")
wrong("fetch: an option without its value", ["fetch", "http://a/", "-o"], "value")
wrong("fetch: a file that cannot be made", ["fetch", "-o", "/nonexistent/x", "http://h/"], "/nonexistent/x", status=1)
wrong("fetch: a URL that is none", ["fetch", "nonsense"], "nonsense", status=1)
wrong("fetch: nobody there", ["fetch", "http://127.0.0.1:1/"], "refused", status=1)
wrong("finger: nobody", ["finger"], "user@host")
wrong("finger: an unknown option", ["finger", "--colour", "x@y"], "'--colour'", "--help")
wrong("finger: two targets", ["finger", "a@b", "c@d"], "c@d")
for port in ("0", "65536", "x", ""):
    wrong("finger: port '%s'" % port, ["finger", "--port=" + port, "a@b"], "1 to 65535")
wrong("finger: a port without its value", ["finger", "a@b", "-p"], "1 to 65535")
wrong("finger: nobody there", ["finger", "ann@127.0.0.1", "--port", "1"], "refused", status=1)
wrong("finger: no host behind the at", ["finger", "ann@"], "ann@", status=1)

with folder() as where:
    table = os.path.join(where, "people")

    def bad_table(what, text, *parts):
        with open(table, "w") as file:
            file.write(text)
        wrong(what, ["serve", "finger", "--table", table, "--listen", "tcp:0"], *parts, status=78)

    wrong("a table that is not there", ["serve", "finger", "--table", table, "--listen", "tcp:0"], table, status=78)
    bad_table("a table with a line that is none", "# people\n\nann:Ann\nbob\n", table + ":4:", "user:name:plan")
    bad_table("a table with a line without a user", ":Ann:\n", table + ":1:")
    bad_table("a table of too many", "u:U:\n" * 257, table + ":257:", "256")
    bad_table("a table that is too large", "u:U:" + "p" * 70000, "64 KiB")
finish()
