"""Ports for servers of the lab. Nobody else picks the same one in the time between choosing and listening."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

FIRST, END = 20_000, 32_000
"""Below the ports that outgoing connections take (`ip_local_port_range`, 32768 and up)."""
_LANES = 4
"""Processes side by side that get ports of their own: ZORGKIOSK_TEST_LANE, from 0."""


def _own_ports() -> itertools.cycle[int]:
    """The share of this process, begun at a place of its own, so that the run before is not at once repeated."""
    lane = int(os.environ.get("ZORGKIOSK_TEST_LANE", "0")) % _LANES
    share = range(FIRST + lane, END, _LANES)
    begin = os.getpid() % len(share)
    return itertools.cycle([*share[begin:], *share[:begin]])


_PORTS = _own_ports()


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody has at `address` now, on UDP and on TCP; the next call gives another one."""
    while True:
        port = next(_PORTS)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            tcp.bind((address, port))
            udp.bind((address, port))
            return port
