# SPDX-License-Identifier: MIT
"""WebSockets and server-sent events beside programs that nobody here wrote: Python's websockets, wsproto (with h2 also
over HTTP/2) and autobahn, nghttpx in front of one, the npm package ws, and Chromium; both ways where they can both. A
peer that is missing is a failure."""
import http.server
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from chromium import Browser
from peers import OURS_ASKS, OURS_SERVES, Running, check, failures, free_port, output, wait_port

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("NODE_PATH", "/usr/share/nodejs:/usr/lib/nodejs")  # where Debian has its modules
OURS = os.path.join(os.environ["PLAIT_BUILD"], "tests", "web", "ws_peer")
PYTHON = ["/usr/bin/python3", os.path.join(HERE, "websocket_side.py")]
NODE = ["node", os.path.join(HERE, "websocket_side.js")]
SIDES = (("Python websockets", PYTHON + ["websockets"]), ("autobahn", PYTHON + ["autobahn"]), ("npm ws", NODE))

PAGE = """<!doctype html><meta charset="utf-8"><title>x</title><script>
const say = (text) => { new Image().src = 'http://127.0.0.1:%d/?' + encodeURIComponent(text); };
const ws = new WebSocket('ws://' + location.host + '/ws', ['echo.1', 'other']);
const seen = [];
ws.binaryType = 'arraybuffer';
ws.onopen = () => { ws.send('text, ä'); ws.send(new Uint8Array(100000).fill(7)); ws.send('x'.repeat(100000)); };
ws.onmessage = (event) => {
    const data = event.data;
    seen.push(typeof data === 'string' ? data.length : data.byteLength);
    if (seen.length === 3) ws.close(1000, 'done');
};
ws.onclose = (event) => say('ws ' + seen + ' ' + event.code + ' ' + event.wasClean + ' ' + ws.protocol + ' ' +
                            ws.extensions.split(';')[0]);
const got = [], events = new EventSource('/events');
events.addEventListener('named', (event) => {
    got.push(event.lastEventId + '=' + event.data.replace('\\n', '/'));
    if (got.length === 3) { events.close(); say('events ' + got); }
});
</script>"""


class Ear(http.server.BaseHTTPRequestHandler):
    """Hears what the page has to say."""
    heard = queue.Queue()

    def do_GET(self):
        self.heard.put(urllib.parse.unquote(urllib.parse.urlsplit(self.path).query))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def our_server(port):
    for peer, command in SIDES + (("wsproto", PYTHON + ["wsproto"]),):
        got = output(*command, "ask", str(port), "/ws").decode()
        check(peer, "WebSocket: messages there and back, the close handshake", OURS_SERVES, got.startswith("ok"), got)
        if peer == "Python websockets":
            check(peer, "WebSocket: a subprotocol", OURS_SERVES, "echo.1" in got, got)
            got = got.splitlines()[-1]
        compressed = {"Python websockets": "PerMessageDeflate", "npm ws": "permessage-deflate", "wsproto": "True"}
        check(peer, "WebSocket: permessage-deflate", OURS_SERVES, compressed.get(peer, "compressed") in got, got)


def over_http2(port):
    got = output(*PYTHON, "wsproto_http2", "ask", str(port), "/ws").decode()
    check("wsproto and h2", "WebSocket over HTTP/2: two on one connection, permessage-deflate, their ends", OURS_SERVES,
          got.startswith("ok True"), got)


SECURE = """new Promise((done) => {
    const ws = new WebSocket('wss://' + location.host + '/ws', ['over.http2', 'echo.1']), seen = [];
    ws.binaryType = 'arraybuffer';
    ws.onopen = () => { ws.send('text, ä'); ws.send(new Uint8Array(200000).fill(7)); ws.send('x'.repeat(100000)); };
    ws.onmessage = (event) => {
        seen.push(typeof event.data === 'string' ? event.data.length : event.data.byteLength);
        if (seen.length === 3) ws.close(1000, 'done');
    };
    ws.onclose = (event) => done(seen + ' ' + event.code + ' ' + event.wasClean + ' ' + ws.protocol + ' ' +
                                 ws.extensions.split(';')[0]);
})"""


def a_secure_page(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", os.path.join(folder, "key"), "-out", os.path.join(folder, "cert"), "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    port = free_port()
    with open(os.path.join(folder, "empty.html"), "w") as file:
        file.write("<!doctype html><title>x</title>")
    with Running(OURS, "serve", "tls:%d:cert=%s/cert:key=%s/key" % (port, folder, folder), folder):
        wait_port(port)
        with Browser("--ignore-certificate-errors") as browser:
            browser.open("https://localhost:%d/files/empty.html" % port)
            got = browser.value(SECURE)
    check("Chromium", "WebSocket over HTTP/2: a page over TLS: messages, close, subprotocol, permessage-deflate",
          OURS_SERVES, got == "7,200000,100000 1000 true over.http2 permessage-deflate", got)


def our_client():
    for peer, command in SIDES:
        port = free_port()
        with Running(*command, "serve", str(port)):
            wait_port(port)
            got = output(OURS, "ask", f"ws://127.0.0.1:{port}/").decode()
            check(peer, "WebSocket: messages there and back, the close handshake", OURS_ASKS,
                  "closed 1000" in got and "all came back" in got, got)
            if peer == "Python websockets":
                check(peer, "WebSocket: a subprotocol", OURS_ASKS, "protocol echo.1" in got, got)


def our_client_over_http2():
    what = "WebSocket over HTTP/2: two on one connection, permessage-deflate, their ends"
    port, behind = free_port(), free_port()
    with Running(*PYTHON, "wsproto_http2", "serve", str(port)):
        wait_port(port)
        got = output(OURS, "share", f"ws://127.0.0.1:{port}/").decode()
        check("wsproto and h2", what, OURS_ASKS, got.count("closed 1000") == 2 and got.count("all came back") == 2 and
              "1 connection" in got, got)
    port = free_port()
    with Running(*PYTHON, "websockets", "serve", str(behind)), \
            Running("nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{port};no-tls",
                    f"--backend=127.0.0.1,{behind}", "--workers=1"):
        wait_port(behind)
        wait_port(port)
        got = output(OURS, "share", f"ws://127.0.0.1:{port}/").decode()
        check("nghttpx", what, OURS_ASKS, got.count("closed 1000") == 2 and got.count("all came back") == 2 and
              "1 connection" in got, got)


def a_page(port, folder):
    ear = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=ear.serve_forever, daemon=True).start()
    with open(os.path.join(folder, "page.html"), "w") as file:
        file.write(PAGE % ear.server_address[1])
    program = shutil.which("chromium") or "chromium"
    words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             f"--user-data-dir={folder}/chromium", "--remote-debugging-port=0",
             f"http://127.0.0.1:{port}/files/page.html"]
    heard = {}
    with Running(*words, stdout=subprocess.DEVNULL):
        try:
            while len(heard) < 2:
                what, _, text = Ear.heard.get(timeout=40).partition(" ")
                heard[what] = text
        except queue.Empty:
            pass
    check("Chromium", "WebSocket: a page of the same host: messages, close, subprotocol, permessage-deflate",
          OURS_SERVES, heard.get("ws") == "7,100000,100000 1000 true echo.1 permessage-deflate", heard)
    check("Chromium", "Server-sent events: names, ids, lines, asking again", OURS_SERVES,
          heard.get("events") == "1=one,2=two/lines,3=ä", heard)
    ear.shutdown()


def main():
    folder = tempfile.mkdtemp(prefix="plait-peers-")
    os.chmod(folder, 0o755)
    port = free_port()
    with Running(OURS, "serve", str(port), folder):
        wait_port(port)
        our_server(port)
        over_http2(port)
        a_page(port, folder)
    a_secure_page(folder)
    our_client()
    our_client_over_http2()
    shutil.rmtree(folder, ignore_errors=True)
    print("%d failed" % len(failures))
    return 1 if failures else 0


sys.exit(main())
