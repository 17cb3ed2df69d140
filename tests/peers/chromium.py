# SPDX-License-Identifier: MIT
"""Chromium without a window, driven over its DevTools protocol by a pipe: descriptors 3 and 4, messages in JSON that
end with a NUL."""
import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

WATCH = """document.addEventListener('securitypolicyviolation', (event) => {
    (window.violations = window.violations || []).push(event.violatedDirective + ' ' + event.blockedURI);
});"""
BECOME = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execvp(sys.argv[3], sys.argv[3:])"""
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowLeft": 37}


class Browser:
    """A browser with one page, while the block lasts."""

    def __init__(self, *words):
        self.folder = tempfile.mkdtemp(prefix="plait-chromium-")
        to_child, self.out = os.pipe()
        self.back, from_child = os.pipe()
        program = shutil.which("chromium") or "chromium"
        line = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--user-data-dir=" + self.folder, "--remote-debugging-pipe", *words]
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_child, from_child)]
        os.close(to_child)
        os.close(from_child)
        self.process = subprocess.Popen([sys.executable, "-c", BECOME, *map(str, ends), *line], pass_fds=ends,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in ends:
            os.close(end)
        self.news = threading.Condition()
        self.answers, self.events, self.number, self.session = {}, [], 0, None
        threading.Thread(target=self.listen, daemon=True).start()

    def __enter__(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        return self

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def listen(self):
        with os.fdopen(self.back, "rb", buffering=0) as pipe:
            rest = b""
            while True:
                got = pipe.read(65536)
                if not got:
                    return
                *whole, rest = (rest + got).split(b"\0")
                with self.news:
                    for text in whole:
                        message = json.loads(text)
                        if "id" in message:
                            self.answers[message["id"]] = message
                        else:
                            self.events.append(message)
                    self.news.notify_all()

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        with self.news:
            if not self.news.wait_for(lambda: message["id"] in self.answers, 40):
                raise SystemExit("Chromium does not answer " + method)
            answer = self.answers.pop(message["id"])
        if "error" in answer:
            raise SystemExit("Chromium says %s of %s" % (answer["error"], method))
        return answer["result"]

    def open(self, url):
        """Goes there and waits until the page has loaded."""
        with self.news:
            before = len(self.events)
        self.call("Page.navigate", url=url)
        with self.news:
            self.news.wait_for(lambda: any(e["method"] == "Page.loadEventFired" for e in self.events[before:]), 20)

    def value(self, expression):
        """Value of an expression in the page; of a promise, what it comes to."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return got["result"].get("value", got.get("exceptionDetails", {}).get("text"))

    def until(self, expression, seconds=10):
        """Whether an expression comes true in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.value(expression) is True:
                return True
            time.sleep(0.1)
        return False

    def click(self, selector):
        x, y = self.value("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'});"
                          "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
                          % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key):
        text = {"Enter": "\r", " ": " "}.get(key)
        words = {"key": key, "code": {" ": "Space"}.get(key, key), "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **words, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **words)

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1,
                  mobile=phone)

    def media(self, **features):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def complaints(self):
        """What the console or the Content-Security-Policy said against the page."""
        with self.news:
            events = list(self.events)
        said = [e["params"]["entry"]["text"] + " " + e["params"]["entry"].get("url", "") for e in events
                if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] in ("error", "warning")]
        said += [str(e["params"]) for e in events if e["method"] == "Runtime.exceptionThrown"]
        said += [str(e["params"]["args"]) for e in events
                 if e["method"] == "Runtime.consoleAPICalled" and e["params"]["type"] in ("error", "warning", "assert")]
        return said + (self.value("window.violations || []") or [])

    def shot(self, path):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
