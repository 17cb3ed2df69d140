# SPDX-License-Identifier: MIT
"""The live page in Chromium: it loads without a complaint, moves with what happens, can be worked by mouse and by
keyboard, fits a phone and the dark, says when the server is gone and finds it again; pages of other sites get nothing.
$PLAIT_SHOTS names a folder for pictures of it."""
import http.server
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request

from chromium import Browser
from peers import OURS_SERVES, Running, check, failures, free_port, wait_port

PLAIT = os.environ["PLAIT"]
TEXT = "document.getElementById('%s').textContent"
STATUS = TEXT % "status"
CARD = "document.querySelectorAll('.tile')[%d].querySelector('.value').textContent"
LOUD = "luminance(getComputedStyle(document.body).backgroundColor)"
LUMINANCE = ("function luminance(text) { const [r, g, b] = text.match(/[0-9.]+/g).map(Number);"
             "return (r * 2 + g * 5 + b) / 8; }")


def saw(what, holds, seen=""):
    check("Chromium", "Live page: " + what, OURS_SERVES, holds, seen)


def shot(browser, name):
    if "PLAIT_SHOTS" in os.environ:
        browser.size(browser.value("innerWidth"), browser.value("document.documentElement.scrollHeight"))
        browser.shot(os.path.join(os.environ["PLAIT_SHOTS"], name + ".png"))


def moves(browser, ports):
    """Traffic shows in the numbers, and a warning of the log in the list."""
    many = [socket.create_connection(("127.0.0.1", ports["echo"])) for _ in range(7)]
    row = ("[...document.querySelectorAll('#protocol-rows tr')].some((row) =>"
           " row.children[0].textContent === 'echo' && row.children[1].textContent === '7')")
    there = browser.until(row)
    saw("connections by protocol are told as they come", there, browser.value(TEXT % "protocol-rows"))

    def send():
        for s in many:
            s.sendall(b"x" * 100000)
            left = 100000
            while left:
                left -= len(s.recv(left))

    until = time.monotonic() + 10
    moved = False
    while time.monotonic() < until and not moved:
        send()
        moved = browser.value("%s.includes('KB/s') || %s.includes('MB/s')" % (CARD % 0, CARD % 0)) is True
        time.sleep(0.05)
    saw("throughput moves with traffic", moved, browser.value(CARD % 0))
    saw("the graphs are drawn", browser.value("[...document.querySelectorAll('.edge')].every((path) =>"
                                              " path.getAttribute('d').includes('L'))"))
    for s in many:
        s.close()
    with socket.create_connection(("127.0.0.1", ports["proxied"])) as s:
        s.sendall(b"this is <b>no</b> PROXY header\r\n\r\n")
        try:
            s.recv(100)
        except ConnectionResetError:
            pass
    listed = browser.until("document.querySelectorAll('#lines li').length === 1 && "
                           "document.querySelector('#lines b').textContent === 'warning' && "
                           "document.querySelector('#lines p').textContent.startsWith('engine: ')")
    saw("a warning of the log comes as it happens", listed, browser.value(TEXT % "lines"))


def is_worked(browser):
    browser.click("#pause")
    still = browser.until(STATUS + " === 'paused'")
    before = browser.value(TEXT % "uptime")
    time.sleep(2.5)
    saw("a click on Pause holds it", still and browser.value(TEXT % "uptime") == before, browser.value(STATUS))
    browser.call("Runtime.evaluate", expression="document.activeElement.blur(); scrollTo(0, 0)")
    browser.open(browser.value("location.href"))
    browser.until(STATUS + " === 'live'")
    browser.press("Tab")
    skips = browser.value("document.activeElement.className") == "skip"
    browser.press("Enter")
    skips = skips and browser.value("document.activeElement.id") == "main"
    browser.press("Tab")
    browser.press("ArrowRight")
    ranged = browser.value("document.activeElement.value") == "600" and browser.value("document.activeElement.checked")
    browser.press("Tab")
    browser.press(" ")
    paused = browser.until(STATUS + " === 'paused'", 3)
    browser.press("Enter")
    goes_on = browser.until(STATUS + " === 'live'", 3)
    saw("the keyboard is enough: skip link, range, Pause", skips and ranged and paused and goes_on,
        (skips, ranged, paused, goes_on))


def names(browser):
    """What a screen reader goes by, as the browser works it out."""
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    wanted = [("main", ""), ("banner", ""), ("contentinfo", ""), ("region", "Services"), ("region", "Now"),
              ("region", "Warnings and errors"), ("button", "Pause"), ("status", "")]
    graphs = [name for role, name in roles if role in ("image", "img") and ": now " in name]
    saw("landmarks, names and graphs in words for screen readers", all(item in roles for item in wanted)
        and len(graphs) == 6, [item for item in wanted if item not in roles] + graphs)


def looks(browser):
    browser.value(LUMINANCE)
    browser.size(1280, 900)
    browser.media(prefers_color_scheme="light")
    light = browser.value(LOUD)
    shot(browser, "light")
    browser.media(prefers_color_scheme="dark")
    dark = browser.value(LOUD)
    shot(browser, "dark")
    saw("light or dark as the system is", light > 200 and dark < 60, (light, dark))
    browser.size(320, 640, True)
    wide = browser.value("document.documentElement.scrollWidth")
    small = browser.value("Math.min(...[...document.querySelectorAll('button, .range label')].map((e) =>"
                          " e.getBoundingClientRect().height))")
    saw("it fits 320 pixels, with room for fingers", wide == 320 and small >= 28, (wide, small))
    shot(browser, "phone-dark")
    browser.media(prefers_color_scheme="light")
    shot(browser, "phone")
    browser.size(1280, 900)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A page of another site."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><link rel=icon href='data:,'>")

    def log_message(self, *args):
        pass


TRIES = """(async () => {
    const base = '%s', got = [];
    for (const mode of ['cors', 'no-cors']) {
        try {
            const answer = await fetch(base + 'state', {mode});
            got.push(mode + ' ' + answer.type + ' ' + answer.status + ' ' + (await answer.text()).length);
        } catch (e) { got.push(mode + ' refused'); }
    }
    got.push(await new Promise((done) => {
        const script = document.createElement('script');
        script.src = base + 'live.js';
        script.onload = () => done('script ran');
        script.onerror = () => done('script refused');
        document.head.append(script);
    }));
    got.push(await new Promise((done) => {
        const events = new EventSource(base + 'events');
        events.onopen = () => done('events open');
        events.onerror = () => { events.close(); done('events refused'); };
    }));
    const frame = document.createElement('iframe');
    frame.src = base;
    await new Promise((done) => { frame.onload = done; document.body.append(frame); });
    let inside = 'nothing';
    try { inside = frame.contentDocument ? 'readable' : 'nothing'; } catch (e) { }
    got.push('frame ' + inside);
    return got.join(', ');
})()"""


def strangers(port):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        with Browser("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
            browser.open("http://elsewhere.example:%d/" % site.server_address[1])
            got = browser.value(TRIES % ("http://127.0.0.1:%d/_plait/" % port))
            saw("a page of another site gets nothing", got == "cors refused, no-cors refused, script refused, "
                "events refused, frame nothing", got)
            browser.open("http://rebound.example:%d/_plait/" % port)
            heading = browser.value("document.querySelector('h1').textContent")
            saw("a name that was made to lead here (DNS rebinding) gets nothing", heading.startswith("421"), heading)
        site.shutdown()


def ports_of(process, count):
    ports = {}
    for _ in range(count):
        words = process.stdout.readline().split()
        name = "live" if words[0] == "live" else words[0]
        ports["proxied" if name in ports else name] = int(words[-1].split(":")[-1].split("/")[0])
    return ports


def main():
    folder = tempfile.mkdtemp(prefix="plait-live-")
    port = free_port()
    words = [PLAIT, "serve", "--log-level", "warn", "web", "--root", folder, "--live", "--listen", "tcp:%d" % port]
    more = ["echo", "--listen", "tcp:0", "--listen", "haproxy:tcp:0"]
    with Browser() as browser:
        browser.call("Accessibility.enable")
        browser.size(1280, 900)
        with Running(*words, *more) as process:
            ports = ports_of(process, 4)
            browser.open("http://127.0.0.1:%d/_plait/" % port)
            saw("it loads and goes live", browser.until(STATUS + " === 'live'"), browser.value(STATUS))
            saw("services are listed with their addresses",
                browser.value((TEXT % "service-rows") + ".includes('127.0.0.1:%d')" % ports["echo"]))
            moves(browser, ports)
            is_worked(browser)
            names(browser)
            looks(browser)
            complaints = browser.complaints()
            saw("no error in the console, no breach of its Content-Security-Policy", not complaints, complaints)
            strangers(port)
        lost = browser.until(STATUS + " === 'connection lost, trying again'")
        with Running(*words):
            wait_port(port)
            back = browser.until(STATUS + " === 'live'", 15)
            state = urllib.request.urlopen("http://127.0.0.1:%d/_plait/state" % port).read()
            fresh = browser.until((TEXT % "uptime") + ".match(/^up [0-9]+ s$/) !== null", 5)
        saw("it says that the server is gone, and finds the next one by itself", lost and back and fresh,
            (lost, back, fresh, state[:80]))
    shutil.rmtree(folder, ignore_errors=True)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
