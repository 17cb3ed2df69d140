# SPDX-License-Identifier: MIT
"""Twisted's side of test_amp_peers.c: `serve PATH [CERT]` answers on a UNIX socket, `ask PATH [CA]` calls what the test
serves there and prints a line `ok WHAT` or `FAIL WHAT` for each thing."""
import datetime
import decimal
import os
import sys

from twisted.internet import defer, endpoints, protocol, reactor, ssl
from twisted.protocols import amp

EVERYTHING = [
    (b"integer", amp.Integer()), (b"big", amp.Integer()), (b"string", amp.String()), (b"unicode", amp.Unicode()),
    (b"path", amp.Unicode()), (b"boolean", amp.Boolean()), (b"float", amp.Float()), (b"decimal", amp.Decimal()),
    (b"datetime", amp.DateTime()), (b"list", amp.ListOf(amp.Integer())),
    (b"boxes", amp.AmpList([(b"x", amp.Integer()), (b"y", amp.Unicode(optional=True))])),
    (b"maybe", amp.Integer(optional=True))]
VALUES = dict(
    integer=-7, big=-123456789012345678901234567890, string=b"\0\xff", unicode="\u00e9\u20ac", path="/tmp/x",
    boolean=True, float=0.1, decimal=decimal.Decimal("-1.50E+7"),
    datetime=datetime.datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=amp._FixedOffsetTZInfo.fromSignHoursMinutes("-", 1, 30)),
    list=[3, -7], boxes=[{"x": 1, "y": None}, {"x": 2, "y": "two"}], maybe=None)


class Divided(Exception):
    pass


class Fatal(Exception):
    pass


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Divide(amp.Command):
    arguments = [(b"numerator", amp.Integer()), (b"denominator", amp.Integer())]
    response = [(b"result", amp.Float())]
    errors = {Divided: b"ZERO_DIVISION"}
    fatalErrors = {Fatal: b"FATAL"}


class Everything(amp.Command):
    arguments = EVERYTHING
    response = EVERYTHING


class Back(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Nope(amp.Command):
    pass


class Tell(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    requiresAnswer = False


class Pass(amp.Command):
    arguments = [(b"fd", amp.Descriptor())]
    response = [(b"fd", amp.Descriptor())]


class Switch(amp.ProtocolSwitchCommand):
    pass


class Upper(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())


class Side(amp.AMP):
    told = 0

    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @Divide.responder
    def divide(self, numerator, denominator):
        if denominator == 0:
            raise Divided("by nothing")
        if denominator == -1:
            raise Fatal("too much")
        return {"result": numerator / denominator}

    @Everything.responder
    def everything(self, **values):
        assert values == VALUES, values
        return values

    @Back.responder
    def back(self, a, b):
        return self.callRemote(Sum, a=a, b=b)

    @Tell.responder
    def tell(self, a, b):
        self.told += 1
        return {}

    @Pass.responder
    def passed(self, fd):
        return {"fd": fd}

    @Switch.responder
    def switch(self):
        return Upper()

    @amp.StartTLS.responder
    def tls(self):
        with open(sys.argv[3]) as file:
            return {"tls_localCertificate": ssl.PrivateCertificate.loadPEM(file.read())}


def report(what, holds):
    print("%s %s" % ("ok" if holds else "FAIL", what), flush=True)


async def fails(call, kind):
    try:
        await call
    except Exception as e:  # noqa: whatever comes is judged
        return isinstance(e, kind)
    return False


async def connect():
    point = endpoints.UNIXClientEndpoint(reactor, sys.argv[2])
    return await endpoints.connectProtocol(point, Side())


class Asked(protocol.Protocol):
    def __init__(self, done):
        self.done, self.got = done, b""

    def connectionMade(self):
        self.transport.write(b"hello")

    def dataReceived(self, data):
        self.got += data
        if len(self.got) == 5:
            self.done.callback(self.got)


class AskedFactory(protocol.ClientFactory):
    def __init__(self, done):
        self.done = done

    def buildProtocol(self, address):
        return Asked(self.done)


async def ask():
    side = await connect()
    report("AMP: calls", (await side.callRemote(Sum, a=13, b=81)) == {"total": 94})
    many = await defer.gatherResults([side.callRemote(Sum, a=i, b=i) for i in range(1000)])
    report("AMP: a thousand calls at once", [m["total"] for m in many] == [2 * i for i in range(1000)])
    report("AMP: each type of argument", (await side.callRemote(Everything, **VALUES)) == VALUES)
    report("AMP: a declared error", await fails(side.callRemote(Divide, numerator=1, denominator=0), Divided))
    report("AMP: an unknown command", await fails(side.callRemote(Nope), amp.UnhandledCommand))
    report("AMP: the other side calls back", (await side.callRemote(Back, a=1, b=2)) == {"total": 3})
    side.callRemote(Tell, a=1, b=2)
    report("AMP: a command without an answer", (await side.callRemote(Sum, a=1, b=1)) == {"total": 2})
    reading, writing = os.pipe()
    passed = await side.callRemote(Pass, fd=reading)
    os.write(writing, b"x")
    report("AMP: descriptors", os.read(passed["fd"], 1) == b"x")
    report("AMP: a fatal error", await fails(side.callRemote(Divide, numerator=1, denominator=-1), Fatal))
    side = await connect()
    done = defer.Deferred()
    await side.callRemote(Switch, AskedFactory(done))
    report("AMP: a switch of protocols", (await done) == b"HELLO")
    side = await connect()
    with open(sys.argv[3]) as file:
        authority = ssl.Certificate.loadPEM(file.read())
    await side.callRemote(amp.StartTLS, tls_localCertificate=ssl.PrivateCertificate.loadPEM(open(sys.argv[4]).read()),
                          tls_verifyAuthorities=[authority])
    report("AMP: StartTLS", (await side.callRemote(Sum, a=20, b=22)) == {"total": 42} and side.peerCertificate)


def main():
    if sys.argv[1] == "serve":
        factory = protocol.Factory.forProtocol(Side)
        reactor.listenUNIX(sys.argv[2], factory)
        print("ready", flush=True)
    else:
        d = defer.ensureDeferred(ask())
        d.addErrback(lambda failure: report("an end: %s" % failure.getTraceback(), False))
        d.addBoth(lambda _: reactor.stop())
    reactor.callLater(60, reactor.crash)
    reactor.run()


main()
