"""Ports for the servers of tests."""

from __future__ import annotations

import socket

import pytest

from zorgkiosk.lab import ports
from zorgkiosk.lab.ports import free_port


def test_no_port_is_given_twice_soon() -> None:
    given = [free_port() for _ in range(200)]
    assert len(set(given)) == len(given)
    assert all(ports.FIRST <= port < ports.END for port in given)


def test_what_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = free_port(), free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", first))
        tcp.bind(("127.0.0.1", second))
        monkeypatch.setattr(ports, "_PORTS", iter([first, second, third]))
        assert free_port() == third
