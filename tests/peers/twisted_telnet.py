# SPDX-License-Identifier: MIT
"""Twisted's side of telnet_peers.py. `serve` answers a line, which it turns around, and prints its port; `ask PORT`
talks to examples/telnet and prints what it hears."""
import sys

from twisted.conch import telnet
from twisted.internet import protocol, reactor


class Server(telnet.TelnetProtocol):
    """Asks for the window, says WILL ECHO, and when a line came too tells all that it learnt, and ends."""

    def connectionMade(self):
        self.window = self.echo = None
        self.line = b""
        self.transport.negotiationMap[telnet.NAWS] = self.resized
        self.transport.do(telnet.NAWS)
        self.transport.will(telnet.ECHO).addCallback(self.echoes)

    def enableRemote(self, option):
        return option == telnet.NAWS

    def enableLocal(self, option):
        return option == telnet.ECHO

    def resized(self, data):
        self.window = b"".join(data)
        self.tell()

    def echoes(self, on):
        self.echo = on
        self.tell()

    def dataReceived(self, data):
        self.line += data
        self.tell()

    def tell(self):
        if self.window is None or self.echo is None or b"\n" not in self.line:
            return
        self.transport.write(b"window %s\necho %r\nline %s\n\xff\r" % (
            self.window.hex().encode(), self.echo, self.line.strip()[::-1]))
        self.transport.loseConnection()


class Client(telnet.TelnetProtocol):
    def connectionMade(self):
        self.heard = b""

    def enableLocal(self, option):
        if option == telnet.NAWS:
            reactor.callLater(0, self.transport.requestNegotiation, telnet.NAWS, b"\x00\xff\x00\x18")
        return option == telnet.NAWS

    def dataReceived(self, data):
        self.heard += data
        if b"window: 255 x 24" in self.heard and not hasattr(self, "said"):
            self.said = True
            self.transport.write(b"one\xfftwo\n")
            self.transport._write(telnet.IAC + telnet.AYT)
            self.transport.write(b"bye\n")

    def connectionLost(self, reason=protocol.connectionDone):
        sys.stdout.buffer.write(self.heard)
        if reactor.running:
            reactor.stop()


factory = protocol.Factory() if sys.argv[1] == "serve" else protocol.ClientFactory()
factory.buildProtocol = lambda at: telnet.TelnetTransport(Server if sys.argv[1] == "serve" else Client)
if sys.argv[1] == "serve":
    print(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port, flush=True)
else:
    reactor.connectTCP("127.0.0.1", int(sys.argv[2]), factory)
    reactor.callLater(20, reactor.stop)
reactor.run()
