# SPDX-License-Identifier: MIT
"""udp_echo answers from the address that was asked, over IPv4 and IPv6, and ends after the count that it was given."""
import os
import socket
import subprocess
import sys

PROGRAM = os.path.join(os.environ["PLAIT_BUILD"], "examples", "udp_echo")


def echo(bind, ask, family):
    with subprocess.Popen([PROGRAM, bind, "0", "3"], stdout=subprocess.PIPE, text=True) as program:
        port = int(program.stdout.readline().rsplit(":", 1)[1])
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            for payload in (b"one", b"", b"x" * 2000):
                client.sendto(payload, (ask, port))
                answer, address = client.recvfrom(4096)
                assert answer == payload, (answer, payload)
                assert address[:2] == (ask, port), address
        assert program.wait(20) == 0


def main():
    echo("127.0.0.1", "127.0.0.1", socket.AF_INET)
    echo("0.0.0.0", "127.0.0.3", socket.AF_INET)
    echo("::1", "::1", socket.AF_INET6)
    wrong = subprocess.run([PROGRAM, "nowhere", "7"], capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stderr.startswith("usage:"), wrong
    return 0


if __name__ == "__main__":
    sys.exit(main())
