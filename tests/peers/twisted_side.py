# SPDX-License-Identifier: MIT
"""Twisted's side of small_peers.py. twisted_side.py finger: a finger server, which prints its port.
twisted_side.py FRAMING PORT: sends frames to an echo at a port and fails when others come back."""
import random
import sys

from twisted.internet import protocol, reactor
from twisted.protocols import basic, finger

FRAMINGS = {
    "lines": (basic.LineReceiver, "lineReceived", "sendLine"),
    "netstrings": (basic.NetstringReceiver, "stringReceived", "sendString"),
    "int8": (basic.Int8StringReceiver, "stringReceived", "sendString"),
    "int16": (basic.Int16StringReceiver, "stringReceived", "sendString"),
    "int32": (basic.Int32StringReceiver, "stringReceived", "sendString"),
}


class Finger(finger.Finger):
    def getUser(self, slash_w, user):
        self.transport.write(b"User: %s%s\r\n\x1b[2J" % (user, b" at length" if slash_w else b""))
        self.transport.loseConnection()


def serve_finger():
    factory = protocol.Factory.forProtocol(Finger)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    print(port.getHost().port, flush=True)


def frames():
    chance = random.Random(1)
    lengths = [0, 1, 2, 100, 127, 128, 255] + [chance.randrange(256) for _ in range(200)]
    return [bytes(chance.choice(b"abc,:0123 \r") for _ in range(length)) for length in lengths]


def client_of(name):
    base, received, send = FRAMINGS[name]
    wanted = [f.rstrip(b"\r") for f in frames()] if name == "lines" else frames()
    got = []

    class Client(base):
        def connectionMade(self):
            for frame in wanted:
                getattr(self, send)(frame)

        def connectionLost(self, reason=protocol.connectionDone):
            print("same" if got == wanted else "%d of %d frames: %s" % (len(got), len(wanted), reason.value))
            reactor.stop()

    def take(self, frame):
        got.append(frame)
        if len(got) == len(wanted):
            self.transport.loseConnection()

    setattr(Client, received, take)
    return Client


if sys.argv[1] == "finger":
    serve_finger()
else:
    factory = protocol.ClientFactory.forProtocol(client_of(sys.argv[1]))
    reactor.connectTCP("127.0.0.1", int(sys.argv[2]), factory)
    reactor.callLater(20, reactor.crash)
reactor.run()
