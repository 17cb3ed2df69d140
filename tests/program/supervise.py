# SPDX-License-Identifier: MIT
"""plait supervise: programs that end and start again, what they say, signals to all of them, and wrong words."""
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

from harness import PLAIT, check, finish, folder, run, wrong


class Supervisor:
    """plait supervise …; its log is read as it comes."""

    def __init__(self, *words):
        self.process = subprocess.Popen([PLAIT, "supervise", *words], stderr=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(60, self.process.kill)
        self.watchdog.start()
        self.log = ""

    def until(self, text, times=1):
        """Reads the log until something stands in it so often."""
        while self.log.count(text) < times:
            line = self.process.stderr.readline()
            if not line:
                return False
            self.log += line
        return True

    def end(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        self.log += self.process.communicate(timeout=30)[1]
        self.watchdog.cancel()
        return self.process.returncode


s = Supervisor("--delay", "1", "--", "sh", "-c", "echo hello; echo oh >&2; exit 3")
check("it starts again", s.until("a program was started", 2), s.log)
check("what it says", "line=hello" in s.log and "line=oh" in s.log, s.log)
check("how it ended", "status=3" in s.log and "name=sh" in s.log, s.log)
check("the end", s.end() == 0, s.process.returncode)

with folder() as where:
    trap = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    s = Supervisor("--run", "one=" + trap, "--run", "two=echo $PPID > %s/parent; echo ready; sleep 50" % where,
                   "--threshold=2", "--kill-after", "2", "--delay", "1:2", "--log", "json")
    check("two programs", s.until('"ready"', 2), s.log)
    with open(where + "/parent") as f:
        check("they are its children", int(f.read()) == s.process.pid)
    s.process.send_signal(signal.SIGHUP)
    check("SIGHUP restarts all", s.until('"ready"', 4), s.log)
    check("after SIGTERM", '"told"' in s.log, s.log)
    check("it ends with all", s.end(signal.SIGINT) == 0 and s.log.count('"told"') == 2, s.log)

s = Supervisor("--kill-after", "1", "--run", "deaf=trap '' TERM; echo ready; while :; do sleep 0.05; done")
check("one that is deaf", s.until("line=ready"), s.log)
began = time.monotonic()
check("is killed", s.end() == 0 and "is killed" in s.log and time.monotonic() - began < 9, s.log)

s = Supervisor("no-such-program")
check("a program that is not there", s.until("could not be started"), s.log)
check("is waited for", s.end() == 0, s.log)

s = Supervisor("--run", "sh=sleep 50", "/bin/sh", "-c", "echo never")
check("two of a name", s.process.wait(30) == 2 and "two programs have the name of '/bin/sh'" in s.process.stderr.read())
s.watchdog.cancel()
wrong("two of a name", ["supervise", "--run", "x=sleep 9", "--run", "x=b"], "two programs have the name of 'x'")
wrong("no program", ["supervise"], "which program?")
wrong("no command", ["supervise", "--run", "x="], "--run wants NAME=COMMAND")
wrong("no name", ["supervise", "--run", "=x"], "--run wants NAME=COMMAND")
wrong("no equals sign", ["supervise", "--run", "x"], "--run wants NAME=COMMAND")
wrong("a long name", ["supervise", "--run", "n" * 65 + "=x"], "--run wants NAME=COMMAND")
wrong("no value", ["supervise", "--run"], "--run wants NAME=COMMAND")
wrong("many programs", ["supervise"] + ["--run=%d=x" % i for i in range(65)], "at most 64 programs")
wrong("--threshold", ["supervise", "--threshold", "0", "x"], "--threshold wants seconds, at least one")
wrong("--kill-after", ["supervise", "--kill-after", "x", "x"], "--kill-after wants seconds, at least one")
for value in "0", "x", "1:x", "3:2", "1:0", "9" * 20 + ":1", "":
    wrong("--delay " + value, ["supervise", "--delay", value, "x"], "--delay wants seconds, MIN or MIN:MAX")
wrong("--log", ["supervise", "--log", "xml", "x"], "--log wants text or json")
wrong("another option", ["supervise", "--fast", "x"], "'--fast' is not understood")
wrong("a long name", ["supervise", "--", ""], "an argument is not valid", status=1)
status, out, _ = run("supervise", "--help")
check("--help", status == 0 and b"--kill-after SECONDS" in out, out)
check("a program's own --help", run("supervise", "--x", "--", "--help")[0] == 2)
finish()
