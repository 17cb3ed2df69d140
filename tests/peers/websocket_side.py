# SPDX-License-Identifier: MIT
"""Python's WebSocket libraries as peers, run by the system's own Python, which has them.

usage: websocket_side.py websockets|wsproto|autobahn serve|ask PORT [PATH]

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
