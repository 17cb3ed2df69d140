# SPDX-License-Identifier: MIT
"""plait passwd: entries made, changed and taken out; the password from a pipe and a terminal; what can go wrong."""
import os
import pty
import re
import stat
import sys

sys.dont_write_bytecode = True

from harness import PLAIT, check, finish, folder, run, wrong

place = folder()
users = os.path.join(place.name, "users")


def content():
    with open(users, encoding="utf-8") as file:
        return file.read()


def on_terminal(*answers):
    """Runs `plait passwd FILE ann` on a terminal: (status, what the terminal showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(PLAIT, [PLAIT, "passwd", users, "ann"])
    shown = b""
    for prompt, answer in zip((b"New password: ", b"Again: "), answers):
        while prompt not in shown:
            shown += os.read(fd, 4096)
        os.write(fd, answer)
    while True:
        try:
            more = os.read(fd, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


code, out, err = run("passwd", users, "ann", input=b"secret\nmore\n")
check("a file and an entry are made", code == 0 and not out and not err, (code, out, err))
check("it is yescrypt's", re.fullmatch(r"ann:\$y\$\S+\n", content()), content())
check("nobody else may read it", stat.S_IMODE(os.stat(users).st_mode) == 0o600, os.stat(users))
first = content()
code, out, err = run("passwd", "--sha512", users, "bob", input=b"secret")
check("another, by SHA-512", code == 0 and re.fullmatch(r"bob:\$6\$rounds=\S+\n", content()[len(first):]), content())
code, shown = on_terminal(b"new one\n", b"new one\n")
check("a terminal is asked twice", code == 0 and content() != first, (code, shown))
check("nothing that was typed is shown", b"new one" not in shown, shown)
changed = content()
code, shown = on_terminal(b"one\n", b"two\n")
check("two that differ change nothing", code == 1 and b"not the same" in shown and content() == changed, (code, shown))
code, shown = on_terminal(b"one\n", b"\x04")
check("an end changes nothing", code == 1 and b"no password" in shown and content() == changed, (code, shown))
code, out, err = run("passwd", "-d", users, "ann")
check("one is taken out", code == 0 and content().startswith("bob:"), (code, err, content()))
code, out, err = run("passwd", "--delete", users, "ann")
check("who is not there cannot be taken out", code == 1 and users in err and "does not exist" in err, (code, err))
for given, what in ((b"", "no password"), (b"\n", "empty"), (b"x" * 2000 + b"\n", "no password")):
    code, out, err = run("passwd", users, "ann", input=given)
    check("a password that is none: " + what, code == 1 and what in err and "ann" not in content(), (code, err))
open(users + ".new", "w").close()
code, out, err = run("passwd", users, "ann", input=b"x\n")
check("one at a time", code == 1 and users + ".new" in err, (code, err))
wrong("passwd: nothing", ["passwd"], "which file")
wrong("passwd: nobody", ["passwd", "users"], "who")
wrong("passwd: a word too many", ["passwd", "users", "ann", "secret"], "'secret'")
wrong("passwd: an unknown option", ["passwd", "--md5", "users", "ann"], "'--md5'")
finish()
