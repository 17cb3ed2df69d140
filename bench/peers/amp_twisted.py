# SPDX-License-Identifier: MIT
"""Twisted's AMP server for bench/run: Sum(a, b) -> total. Usage: amp_twisted.py PORT."""
import sys

from twisted.internet import protocol, reactor
from twisted.protocols import amp


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Math(amp.AMP):
    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}


reactor.listenTCP(int(sys.argv[1]), protocol.Factory.forProtocol(Math), interface="127.0.0.1")
reactor.run()
