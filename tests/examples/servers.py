# SPDX-License-Identifier: MIT
"""The examples that serve do what their first lines say; a port in use ends with a sentence; SIGTERM ends with 0."""
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

EXAMPLES = os.path.join(os.environ["PLAIT_BUILD"], "examples")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connect(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def start(name, port, *words):
    program = subprocess.Popen([os.path.join(EXAMPLES, name), f"tcp:{port}", *words], stderr=subprocess.PIPE, text=True)
    connect(port).close()
    return program


def stop(program):
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=20)
    assert program.returncode == 0, program.returncode


def proxied():
    origin, port = free_port(), free_port()
    programs = [start("hello", origin), start("reverse_proxy", port, f"http://127.0.0.1:{origin}")]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=20) as answer:
        assert answer.read() == b"Hello, World!" and answer.headers["Via"] == "1.1 plait"
    for program in programs:
        stop(program)
    wrong = subprocess.run([os.path.join(EXAMPLES, "reverse_proxy"), "tcp:0", "nowhere"], capture_output=True,
                           timeout=20)
    assert wrong.returncode == 1, wrong


def hello_and_titles():
    port = free_port()
    program = start("hello", port)
    url = f"http://127.0.0.1:{port}/hello"
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.status == 200 and answer.read() == b"Hello, World!"
    taken = subprocess.run([os.path.join(EXAMPLES, "hello"), f"tcp:{port}"], capture_output=True, text=True, timeout=20)
    assert taken.returncode == 1 and "in use" in taken.stderr, taken
    titles = subprocess.run([os.path.join(EXAMPLES, "titles"), url, url], capture_output=True, text=True, timeout=40)
    assert titles.returncode == 0 and titles.stdout == f"{url}: 200, 13 bytes\n" * 2, titles
    download = subprocess.run([os.path.join(EXAMPLES, "download"), url], capture_output=True, text=True, timeout=40)
    assert download.returncode == 0 and download.stdout == "Hello, World!", download
    assert download.stderr == f"200 {url}\n", download
    assert subprocess.run([os.path.join(EXAMPLES, "download")], capture_output=True, timeout=40).returncode == 1
    refused = f"http://127.0.0.1:{free_port()}/"
    titles = subprocess.run([os.path.join(EXAMPLES, "titles"), refused], capture_output=True, text=True, timeout=40)
    assert titles.returncode == 1 and "refused" in titles.stderr, titles
    stop(program)


def echo():
    port = free_port()
    program = start("echo", port)
    with connect(port) as s:
        s.sendall(b"there and back")
        got = b""
        while len(got) < 14:
            got += s.recv(100)
        assert got == b"there and back", got
    stop(program)


def websocket_echo():
    port = free_port()
    program = start("websocket_echo", port)
    with connect(port) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                  b"\x81\x85\0\0\0\0hello\x82\x83\0\0\0\0\xff\xfe\xfd\x88\x80\0\0\0\0")
        got = b""
        while piece := s.recv(1000):
            got += piece
    head, _, frames = got.partition(b"\r\n\r\n")
    assert b" 101 " in head and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
    assert frames == b"\x81\x05hello\x82\x03\xff\xfe\xfd\x88\x00", frames
    stop(program)


def amp():
    port = free_port()
    program = start("amp_server", port)
    words = [os.path.join(EXAMPLES, "amp_client"), f"tcp:127.0.0.1:{port}"]
    asked = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert asked.returncode == 0, asked
    assert asked.stdout.splitlines() == ["13 + 81 = 94", "1 / 8 = 0.125",
                                         "1 / 0: an argument is not valid (ZERO_DIVISION)"], asked
    stop(program)
    asked = subprocess.run(words, capture_output=True, text=True, timeout=20)
    assert asked.returncode == 1 and "refused" in asked.stderr, asked


def events():
    port = free_port()
    program = start("events", port)
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Last-Event-ID": "41"})
    with urllib.request.urlopen(ask, timeout=20) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream", answer.headers
        lines = [answer.readline() for _ in range(6)]
    assert lines == [b"id: 42\n", b"data: 42\n", b"\n", b"id: 43\n", b"data: 43\n", b"\n"], lines
    stop(program)


def main():
    hello_and_titles()
    proxied()
    echo()
    websocket_echo()
    events()
    amp()
    return 0


if __name__ == "__main__":
    sys.exit(main())
