# SPDX-License-Identifier: MIT
"""Python's WebSocket libraries as peers, run by the system's own Python, which has them.

usage: websocket_side.py websockets|wsproto|wsproto_http2|autobahn serve|ask PORT [PATH]

`serve` echoes until it ends; `ask` sends messages to an echo and prints "ok" and what was agreed on."""
import asyncio
import socket
import sys

MESSAGES = ["text, ä", b"\0\xff" * 50000, "", b"", "x" * 300000]


async def websockets_serve(port):
    import websockets

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(echo, "127.0.0.1", port, subprotocols=["echo.1"], max_size=None):
        await asyncio.Future()


async def websockets_ask(port, path):
    import websockets
    for compression in (None, "deflate"):
        async with websockets.connect(f"ws://127.0.0.1:{port}{path}", compression=compression, max_size=None,
                                      subprotocols=["echo.1"] if path == "/ws" else None) as ws:
            for message in MESSAGES:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(iter(["in ", "some ", "parts"]))
            assert await ws.recv() == "in some parts"
            await (await ws.ping(b"ping"))
            agreed = f"{ws.subprotocol} {ws.extensions}"
        assert ws.close_code == 1000, ws.close_code
        print("ok", agreed)


def wsproto_ask(port, path):
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import (AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage)
    from wsproto.extensions import PerMessageDeflate
    ws = WSConnection(ConnectionType.CLIENT)
    deflate = PerMessageDeflate(client_no_context_takeover=True)
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(ws.send(Request(host="127.0.0.1", target=path, extensions=[deflate])))

        def next_event():
            for event in ws.events():
                return event
            ws.receive_data(s.recv(65536) or None)
            return next_event()

        sys.setrecursionlimit(10000)
        assert isinstance(next_event(), AcceptConnection)
        for data in MESSAGES:
            text = isinstance(data, str)
            s.sendall(ws.send(TextMessage(data) if text else BytesMessage(data)))
            got = data[:0]
            while True:
                event = next_event()
                got += event.data if text else bytes(event.data)
                if event.message_finished:
                    break
            assert got == data, (len(got), len(data))
        s.sendall(ws.send(Ping(b"hi")))
        pong = next_event()
        assert isinstance(pong, Pong) and pong.payload == b"hi"
        s.sendall(ws.send(CloseConnection(1000, "bye")))
        end = next_event()
        assert isinstance(end, CloseConnection) and end.code == 1000
        print("ok", deflate.enabled())


def wsproto_http2_ask(port, path):
    """Two WebSockets on one connection, and a request between their messages."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset, WindowUpdated
    from h2.settings import SettingCodes
    from wsproto import ConnectionType
    from wsproto.connection import Connection
    from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
    from wsproto.extensions import PerMessageDeflate

    class Socket:
        def __init__(self, h2, stream):
            self.h2, self.stream, self.left, self.events, self.ended = h2, stream, b"", [], False
            self.deflate = PerMessageDeflate()
            h2.send_headers(stream, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                                     (":path", path), (":authority", "127.0.0.1"), ("sec-websocket-version", "13"),
                                     ("sec-websocket-extensions", "permessage-deflate; " + self.deflate.offer())])

        def opened(self, fields):
            assert fields[b":status"] == b"200", fields
            assert b"sec-websocket-accept" not in fields and b"upgrade" not in fields, fields
            self.deflate.finalize(fields[b"sec-websocket-extensions"].decode().split(";", 1)[-1])
            self.ws = Connection(ConnectionType.CLIENT, [self.deflate])

        def send(self, event):
            self.left += self.ws.send(event)
            self.flush()

        def flush(self):
            while self.left and (room := min(self.h2.local_flow_control_window(self.stream),
                                             self.h2.max_outbound_frame_size)):
                self.h2.send_data(self.stream, self.left[:room])
                self.left = self.left[room:]

    with socket.create_connection(("127.0.0.1", port), 10) as s:
        h2 = H2Connection(H2Configuration(client_side=True))
        h2.initiate_connection()
        known, sockets, page = {}, {}, []

        def step():
            s.sendall(h2.data_to_send())
            got = s.recv(65536)
            assert got, "the connection ended"
            for event in h2.receive_data(got):
                x = sockets.get(getattr(event, "stream_id", None))
                assert not isinstance(event, StreamReset) or x.ended, event
                if isinstance(event, RemoteSettingsChanged):
                    known.update({int(code): change.new_value for code, change in event.changed_settings.items()})
                elif isinstance(event, ResponseReceived):
                    fields = {name if isinstance(name, bytes) else name.encode():
                              value if isinstance(value, bytes) else value.encode() for name, value in event.headers}
                    x.opened(fields) if x else page.append(fields[b":status"])
                elif isinstance(event, DataReceived):
                    if event.flow_controlled_length:
                        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if x:
                        x.ws.receive_data(event.data)
                        x.events += x.ws.events()
                elif isinstance(event, StreamEnded) and x:
                    x.ended = True
                elif isinstance(event, WindowUpdated):
                    for each in sockets.values():
                        each.flush()

        while int(SettingCodes.ENABLE_CONNECT_PROTOCOL) not in known:
            step()
        assert known[int(SettingCodes.ENABLE_CONNECT_PROTOCOL)] == 1
        sockets.update({stream: Socket(h2, stream) for stream in (1, 3)})
        while not all(hasattr(x, "ws") for x in sockets.values()):
            step()
        for x in sockets.values():
            x.send(Ping(b"hi"))
            for data in MESSAGES:
                x.send(TextMessage(data) if isinstance(data, str) else BytesMessage(data))
        h2.send_headers(5, [(":method", "GET"), (":scheme", "http"), (":path", "/none"), (":authority", "127.0.0.1")],
                        end_stream=True)
        for x in sockets.values():
            pong, back, part = None, [], None
            while len(back) < len(MESSAGES):
                while not x.events:
                    step()
                event = x.events.pop(0)
                if isinstance(event, Pong):
                    pong = event.payload
                    continue
                part = event.data if part is None else part + event.data
                if event.message_finished:
                    back.append(part if isinstance(part, str) else bytes(part))
                    part = None
            assert back == MESSAGES and pong == b"hi"
            x.send(CloseConnection(1000, "bye"))
            while not x.ended:
                step()
            assert isinstance(x.events[0], CloseConnection) and x.events[0].code == 1000
        while not page:
            step()
        assert page == [b"404"]
        print("ok", all(x.deflate.enabled() for x in sockets.values()))


def wsproto_http2_serve(port):
    """Echoes on as many streams of a connection as are asked for."""
    import threading
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
    from h2.settings import SettingCodes, Settings
    from wsproto import ConnectionType
    from wsproto.connection import Connection
    from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
    from wsproto.extensions import PerMessageDeflate

    class Socket:
        def __init__(self, h2, stream, fields):
            self.h2, self.stream, self.left, self.over = h2, stream, b"", False
            self.gathered = None
            want = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", "sec-websocket-version": "13"}
            wrong = [name for name in want if fields.get(name) != want[name]]
            wrong += [name for name in ("sec-websocket-key", "upgrade", "connection", "host") if name in fields]
            deflate = PerMessageDeflate()
            accepted = deflate.accept(fields.get("sec-websocket-extensions", "").split(";", 1)[-1])
            if wrong:
                h2.send_headers(stream, [(":status", "400")], end_stream=True)
                return
            h2.send_headers(stream, [(":status", "200"), ("sec-websocket-extensions",
                                                          "permessage-deflate; " + accepted)])
            self.ws = Connection(ConnectionType.SERVER, [deflate])

        def take(self, data):
            self.ws.receive_data(data)
            for event in self.ws.events():
                if isinstance(event, (Ping, CloseConnection)):
                    self.left += self.ws.send(event.response())
                    self.over |= isinstance(event, CloseConnection)
                elif isinstance(event, Message):
                    self.gathered = event.data if self.gathered is None else self.gathered + event.data
                    if event.message_finished:
                        data, self.gathered = self.gathered, None
                        text = isinstance(event, TextMessage)
                        self.left += self.ws.send(TextMessage(data) if text else BytesMessage(bytes(data)))
            self.flush()

        def flush(self):
            while self.left and (room := min(self.h2.local_flow_control_window(self.stream),
                                             self.h2.max_outbound_frame_size)):
                self.h2.send_data(self.stream, self.left[:room])
                self.left = self.left[room:]
            if self.over and not self.left:
                self.h2.end_stream(self.stream)
                self.over = False

    def talk(s):
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        h2.local_settings = Settings(client=False, initial_values={SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
        h2.initiate_connection()
        sockets = {}
        s.sendall(h2.data_to_send())
        while got := s.recv(65536):
            for event in h2.receive_data(got):
                x = sockets.get(getattr(event, "stream_id", None))
                if isinstance(event, RequestReceived):
                    sockets[event.stream_id] = Socket(h2, event.stream_id, dict(event.headers))
                elif isinstance(event, DataReceived):
                    if event.flow_controlled_length:
                        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if event.data:  # the last frame only ends the client's side
                        x.take(event.data)
                elif isinstance(event, (StreamEnded, StreamReset)):
                    sockets.pop(event.stream_id, None)
                elif isinstance(event, WindowUpdated):
                    for each in sockets.values():
                        each.flush()
            s.sendall(h2.data_to_send())

    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def autobahn_factory(port, path, finished):
    from autobahn.asyncio.websocket import (WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory,
                                            WebSocketServerProtocol)
    from autobahn.websocket.compress import (PerMessageDeflateOffer, PerMessageDeflateOfferAccept,
                                             PerMessageDeflateResponse, PerMessageDeflateResponseAccept)

    class Echo(WebSocketServerProtocol):
        def onMessage(self, payload, isBinary):
            self.sendMessage(payload, isBinary)

    class Ask(WebSocketClientProtocol):
        left = list(MESSAGES)

        def onOpen(self):
            self.next()

        def next(self):
            message = self.left[0]
            self.sendMessage(message.encode() if isinstance(message, str) else message, not isinstance(message, str))

        def onMessage(self, payload, isBinary):
            message = self.left.pop(0)
            assert payload == (message.encode() if isinstance(message, str) else message)
            if self.left:
                self.next()
            else:
                self.sendClose(1000)

        def onClose(self, wasClean, code, reason):
            finished.set_result((wasClean, code, not self.left, bool(self.websocket_extensions_in_use)))

    if finished is None:
        factory = WebSocketServerFactory(f"ws://127.0.0.1:{port}")
        factory.protocol = Echo
        factory.setProtocolOptions(perMessageCompressionAccept=lambda offers: next(
            (PerMessageDeflateOfferAccept(o) for o in offers if isinstance(o, PerMessageDeflateOffer)), None))
    else:
        factory = WebSocketClientFactory(f"ws://127.0.0.1:{port}{path}")
        factory.protocol = Ask
        factory.setProtocolOptions(
            perMessageCompressionOffers=[PerMessageDeflateOffer()],
            perMessageCompressionAccept=lambda r: PerMessageDeflateResponseAccept(r)
            if isinstance(r, PerMessageDeflateResponse) else None)
    return factory


async def autobahn_serve(port):
    await asyncio.get_running_loop().create_server(autobahn_factory(port, None, None), "127.0.0.1", port)
    await asyncio.Future()


async def autobahn_ask(port, path):
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    await loop.create_connection(autobahn_factory(port, path, finished), "127.0.0.1", port)
    clean, code, all_back, compressed = await asyncio.wait_for(finished, 20)
    assert clean and code == 1000 and all_back, (clean, code, all_back)
    print("ok", "compressed" if compressed else "plain")


def main():
    library, way, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    path = sys.argv[4] if len(sys.argv) > 4 else "/"
    run = globals()[f"{library}_{way}"]
    result = run(port) if way == "serve" else run(port, path)
    if asyncio.iscoroutine(result):
        asyncio.run(result)


main()
