"""The worker's end of the socket: it comes back by itself, keeps what was not read, and survives noise."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zorgkiosk.site.telephony.messages import Attached, CallFinished, Hold, LegRinging, Retire, decode, encode
from zorgkiosk.site.telephony.worker.link import LONGEST_LINE, RETRY_S, Heard, LineAttached, LineLost, Link

HELLO = Attached(3, 1, "sip:127.0.0.1:5103", None)
DONE = CallFinished("id-1", "trunk", 0, False, 5.0, 60.0, "desk/1", "answered")


class Line:
    """The other end."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen()
        self.server.settimeout(2)
        self.peer: socket.socket | None = None

    def accept(self) -> None:
        self.peer, _ = self.server.accept()
        self.peer.settimeout(2)

    def say(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.sendall(data)

    def read(self, count: int) -> list[object]:
        assert self.peer is not None
        data = b""
        while data.count(b"\n") < count:
            data += self.peer.recv(65536)
        return [decode(each) for each in data.splitlines()]

    def close(self) -> None:
        if self.peer:
            self.peer.close()
        self.server.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "line.sock"


@pytest.fixture
def line(path: Path) -> Iterator[Line]:
    line = Line(path)
    yield line
    line.close()


def heard(link: Link, *, deadline_s: float = 2.0) -> list[Heard]:
    """The first thing heard; the socket may need a moment."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        if found := link.poll(time.monotonic() + RETRY_S):
            return found
    raise AssertionError("nothing heard")


def attached(path: Path, line: Line) -> Link:
    link = Link(path)
    assert link.poll(0.0) == [LineAttached()]
    line.accept()
    link.introduce([HELLO])
    link.poll(0.0)
    assert line.read(1) == [HELLO]
    return link


def test_it_knocks_every_200_ms_until_there_is_a_line(path: Path) -> None:
    link = Link(path)
    assert link.poll(1.0) == []
    line = Line(path)
    assert link.poll(1.0 + RETRY_S / 2) == [], "not before its time"
    assert link.poll(1.0 + RETRY_S) == [LineAttached()]
    line.close()


def test_orders_in_pieces_and_in_clusters(path: Path, line: Line) -> None:
    link = attached(path, line)
    first = encode(Hold(("a.wav",)))
    line.say(first[:7])
    assert link.poll(0.0) == []
    line.say(first[7:] + encode(Retire()) * 2)
    assert heard(link) == [Hold(("a.wav",)), Retire(), Retire()]


def test_noise_and_events_of_the_wrong_direction_are_skipped(path: Path, line: Line) -> None:
    link = attached(path, line)
    line.say(b"garbage\n{}\n" + encode(LegRinging("desk/1")) + encode(Retire()))
    assert heard(link) == [Retire()]


def test_a_message_without_an_end_loses_the_line(path: Path, line: Line) -> None:
    link = attached(path, line)
    line.say(b"x" * (LONGEST_LINE + 2))
    assert heard(link) == [LineLost()]


def test_a_finished_call_is_said_again_when_nobody_read_it(path: Path, line: Line) -> None:
    link = attached(path, line)
    link.send(DONE)
    link.poll(0.0)
    assert not link.settled, "written is not read"
    line.close()
    assert heard(link) == [LineLost()]
    assert not link.settled
    again = Line(path)
    assert heard(link) == [LineAttached()]
    again.accept()
    link.introduce([HELLO, LegRinging("desk/9")])
    link.poll(0.0)
    assert again.read(3) == [HELLO, DONE, LegRinging("desk/9")]
    link.poll(0.0)
    assert link.settled
    again.close()


def test_what_was_read_is_not_said_again(path: Path, line: Line) -> None:
    link = attached(path, line)
    link.send(DONE)
    link.poll(0.0)
    assert line.read(1) == [DONE]
    link.poll(0.0)
    assert link.settled


def test_without_a_line_only_the_end_of_a_call_is_kept(path: Path) -> None:
    link = Link(path)
    link.send(LegRinging("desk/1"))
    link.send(DONE)
    line = Line(path)
    assert link.poll(0.0) == [LineAttached()]
    line.accept()
    link.introduce([HELLO])
    link.poll(0.0)
    assert line.read(2) == [HELLO, DONE]
    line.close()


def test_a_line_that_reads_nothing_does_not_block(path: Path, line: Line) -> None:
    link = attached(path, line)
    for _ in range(5_000):
        link.send(LegRinging("desk/1"))
    started = time.monotonic()
    assert link.poll(0.0) == []
    assert time.monotonic() - started < 0.5
