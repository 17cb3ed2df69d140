# SPDX-License-Identifier: MIT
"""plait serve forward: to another service, with a PROXY header, to what is not there; wrong values are told in one
line."""
import signal
import socket
import sys

sys.dont_write_bytecode = True

from harness import Server, check, finish, folder, talk, wrong

with Server("serve", "echo", "--listen", "tcp:0") as echo:
    to = "tcp:127.0.0.1:%d" % echo.port("echo")
    with Server("serve", "forward", "--to", to, "--listen", "tcp:0") as s:
        check("carried on", talk(s.port("forward"), b"hello") == b"hello")
        check("again", talk(s.port("forward"), b"x" * 300000) == b"x" * 300000)
        s.end()
    with Server("serve", "forward", "--to", to, "--send-proxy", "v1", "--idle=5", "--listen", "tcp:0") as s:
        got = talk(s.port("forward"), b"hello")
        check("version 1", got.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ") and got.endswith(b"\r\nhello"), got)
        s.end()
    with Server("serve", "forward", "--to", to, "--send-proxy=v2", "--listen", "tcp:0") as s:
        got = talk(s.port("forward"), b"hello")
        check("version 2", got.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c") and got.endswith(b"hello"), got)
        s.end()
    with folder() as where:
        path = where + "/socket"
        with Server("serve", "forward", "--to", to, "--listen", "unix:" + path) as s:
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)
                c.sendall(b"by a file")
                c.shutdown(socket.SHUT_WR)
                check("a UNIX socket", c.recv(100) == b"by a file")
            s.end()
    echo.end()
with Server("serve", "forward", "--to", to, "--listen", "tcp:0") as s:
    try:
        got = talk(s.port("forward"), b"hello")
    except ConnectionResetError:
        got = "reset"
    check("nobody is there", got == "reset", got)
    _, said = s.end(signal.SIGTERM)
    check("which is told", "a target could not be reached" in said and to in said, said)
serve = ["serve", "forward", "--listen", "tcp:0"]
wrong("no target", serve, "where to? --to ENDPOINT")
wrong("no endpoint", serve + ["--to", ":80"], "--to: ", "kind")
wrong("--send-proxy", serve + ["--to", to, "--send-proxy", "v3"], "--send-proxy wants v1 or v2")
wrong("--idle", serve + ["--to", to, "--idle", "0"], "--idle wants seconds, at least one")
wrong("--idle", serve + ["--to", to, "--idle", "x"], "--idle wants seconds, at least one")
wrong("another option", serve + ["--from", to], "'--from' is neither an option nor a service")
wrong("--to without a value", serve + ["--to"], "the last option lacks its value")
finish()
