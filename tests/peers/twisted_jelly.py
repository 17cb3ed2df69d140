# SPDX-License-Identifier: MIT
"""Twisted's side of test_jelly_peers.c: `write DIALECT` writes values as jelly in banana, one after the other; `check
DIALECT` reads them back and prints a line `ok WHAT` or `FAIL WHAT` for each."""
import datetime
import decimal
import io
import sys

from twisted.spread import banana, jelly


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


ITSELF = [1]
ITSELF.append(ITSELF)
TWICE = [7]
VALUES = [
    ("None and booleans", [None, True, False]),
    ("integers of 31 bits", [0, 1, -1, 127, 128, 2**31 - 1, -2**31]),
    ("integers of 64 bits", [2**31, -2**31 - 1, 2**63 - 1, -2**63]),
    ("integers of 448 bits", [2**63, -2**63 - 1, 2**448 - 1, -2**448 + 1]),
    ("floats", [0.0, 1.5, -1e300, float("inf")]),
    ("bytes", [b"", b"\0\xff", b"tuple", b"x" * 640 * 1024]),
    ("text", ["", "u\u00e9\u20ac\U0001f600", "None"]),
    ("lists and tuples", [[], (), [1, (2, [3])]]),
    ("dictionaries", {"k": 1, b"k": {2: (3, )}, (1, 2): None}),
    ("sets", [{1, 2, 3}, frozenset([4]), set()]),
    ("dates and times", [datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.date(1, 12, 31), datetime.time(3, 4, 5, 6),
                         datetime.timedelta(-1, 2, 3)]),
    ("decimals", [decimal.Decimal("-1.50"), decimal.Decimal("1E+30"), decimal.Decimal(2**70)]),
    ("an instance of a class", Point(3, 4)),
    ("an object at two places", (TWICE, TWICE)),
    ("an object in itself", ITSELF),
]


class Elements(banana.Banana):
    """Banana without a transport, in one dialect from the start."""

    def __init__(self, dialect):
        super().__init__(isClient=False)
        self.setPrefixLimit(64)
        self._selectDialect(dialect)
        self.came = []

    def connectionReady(self):
        pass

    def expressionReceived(self, obj):
        self.came.append(obj)

    callExpressionReceived = expressionReceived

    def written(self, expression):
        out = io.BytesIO()
        self._encode(expression, out.write)
        return out.getvalue()


def taster():
    options = jelly.SecurityOptions()
    options.allowBasicTypes()
    options.allowInstancesOf(Point)
    return options


def same(what, got, value):
    if what == "an object in itself":
        return got[0] == 1 and got[1] is got
    if what == "an object at two places":
        return got == value and got[0] is got[1]
    return got == value and repr(type(got)) == repr(type(value))


def check(dialect):
    elements = Elements(dialect)
    elements.dataReceived(sys.stdin.buffer.read())
    for (what, value), came in zip(VALUES, elements.came):
        got = jelly.unjelly(came, taster())
        print("%s %s, dialect %s" % ("ok" if same(what, got, value) else "FAIL", what, dialect.decode()))
    if len(elements.came) != len(VALUES):
        print("FAIL %d values came" % len(elements.came))


def write(dialect):
    elements = Elements(dialect)
    for _, value in VALUES:
        sys.stdout.buffer.write(elements.written(jelly.jelly(value, taster())))


dict(check=check, write=write)[sys.argv[1]](sys.argv[2].encode())
