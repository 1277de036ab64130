"""The language of Nextion displays, as a table of cases; then anything at all in any pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zorgkiosk.site.panel import nextion_protocol as protocol
from zorgkiosk.site.panel.nextion_protocol import (
    END,
    FAILURES,
    MAX_TEXT_BYTES,
    Connected,
    Coordinates,
    Decoder,
    Failure,
    Frame,
    Number,
    Other,
    Overflow,
    PageShown,
    Slept,
    Started,
    Success,
    Text,
    Touch,
    latin,
)

COMOK = b"comok 1,38024-0,NX8048P070_011C,99,61488,D264B8204F0E1828,16777216"
WHOLE: list[tuple[bytes, Frame]] = [
    (b"\x01", Success()),
    *((bytes((code,)), Failure(code)) for code in FAILURES),
    (b"\x24", Overflow()),
    (b"\x00\x00\x00", Started()),
    (b"\x88", Started()),
    (b"\x65\x01\x0a\x00", Touch(1, 10, pressed=False)),
    (b"\x65\x00\xff\x01", Touch(0, 255, pressed=True)),
    (b"\x65\xff\xff\x01", Touch(255, 255, pressed=True)),
    (b"\x66\x03", PageShown(3)),
    (b"\x67\x01\x2c\x00\x7a\x01", Coordinates(300, 122, pressed=True, asleep=False)),
    (b"\x68\x00\x7a\x00\x1e\x00", Coordinates(122, 30, pressed=False, asleep=True)),
    (b"\x70ab c", Text("ab c")),
    (b"\x70", Text("")),
    (b"\x70caf\xe9", Text("café")),
    (b"\x71\x66\x00\x00\x00", Number(102)),
    (b"\x71\xff\xff\xff\xff", Number(-1)),
    (b"\x71\x00\xff\xff\xff", Number(-256)),
    (b"\x71\xff\xff\xff\x7f", Number(2**31 - 1)),
    (b"\x71\x00\x00\x00\x80", Number(-(2**31))),
    (b"\x86", Slept(awake=False)),
    (b"\x87", Slept(awake=True)),
    (b"\x89", Other(0x89)),
    (b"\xfd", Other(0xFD)),
    (b"\xfe", Other(0xFE)),
    (COMOK, Connected("NX8048P070_011C")),
    (b"comok 1", Connected("")),
]


@pytest.mark.parametrize(("body", "frame"), WHOLE, ids=lambda value: repr(value)[:40])
def test_a_frame_alone_and_between_others(body: bytes, frame: Frame) -> None:
    decoder = Decoder()
    assert decoder.feed(body + END) == [frame]
    assert decoder.feed(body + END + b"\x01" + END + body + END) == [frame, Success(), frame]
    assert decoder.skipped == 0


@pytest.mark.parametrize(("body", "frame"), WHOLE, ids=lambda value: repr(value)[:40])
def test_nothing_is_said_before_the_last_byte(body: bytes, frame: Frame) -> None:
    decoder = Decoder()
    for byte in body + END[:-1]:
        assert decoder.feed(bytes((byte,))) == []
    assert decoder.feed(END[-1:]) == [frame]


@pytest.mark.parametrize(
    ("noise", "heard"),
    [
        (b"\xff\xff\xff\xff\xff", []),
        (b"\x05\x00" + END, []),  # the rest of a touch is no "invalid instruction"
        (b"\x07\x01" + END, []),  # nor a success
        (b"Zorg" + END, []),
        (b"\x65\x01\x05\x02" + END, []),  # neither pressed nor released
        (b"\x65\x01\x65\x01\x05\x00" + END, [Touch(1, 5, pressed=False)]),  # a half one before a whole one
        (b"\x71\x00\x65\x02\x01\x00" + END, [Touch(2, 1, pressed=False)]),
        (b"\x65\x01\x00\x00\x00" + END + b"\x88" + END, [Started(), Started()]),  # reset in the middle of a touch
        (b"\x1a\x1a" + END, []),
        (b"comok" + END, []),
        (b"come" + END, []),
        (b"p" + b"x" * 2 * MAX_TEXT_BYTES + END, []),
        (b"noise" * 1000 + END, []),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_noise_is_skipped_and_what_follows_is_heard(noise: bytes, heard: list[Frame]) -> None:
    decoder = Decoder()
    assert decoder.feed(noise) == heard
    assert decoder.feed(b"\x66\x02" + END) == [PageShown(2)]
    assert decoder.skipped <= len(noise)


BYTES = st.binary(max_size=120) | st.lists(
    st.sampled_from([*(body + END for body, _ in WHOLE), b"\x65", b"\x71", b"\xff", b"\xff\xff", b"co", b"\x00", b"p"]),
    max_size=20,
).map(b"".join)


@pytest.mark.long
@given(BYTES, st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=400)
def test_any_pieces_give_the_same_frames(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Decoder(), Decoder()
    wanted = whole.feed(data)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    heard = [frame for start, end in itertools.pairwise(edges) for frame in pieces.feed(data[start:end])]
    assert heard == wanted
    assert pieces.skipped == whole.skipped


@given(st.lists(st.binary(max_size=400) | st.just(b"p" * 400), max_size=20))
def test_what_is_held_stays_small(parts: list[bytes]) -> None:
    decoder = Decoder()
    for part in parts:
        decoder.feed(part)
        assert len(decoder._held) <= MAX_TEXT_BYTES + len(END)


@pytest.mark.long
@given(BYTES)
def test_it_recovers_after_anything(noise: bytes) -> None:
    """One end closes whatever was open; then everything is heard again, one-byte answers too."""
    decoder = Decoder()
    decoder.feed(noise + b"?" + END + END)
    decoder.feed(b"?" + END)
    assert decoder.feed(b"\x01" + END + b"\x65\x01\x02\x00" + END) == [Success(), Touch(1, 2, pressed=False)]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Respijt (logeeropvang)", "Respijt (logeeropvang)"),
        ("één coördinatie", "één coördinatie"),
        ("−2", "-2"),
        ("De regio heeft het ✓ 14:05", "De regio heeft het 14:05"),
        ("De regio heeft alles (✓ 14:05).", "De regio heeft alles (14:05)."),
        ('Huis "De \\ Linde"', "Huis 'De / Linde'"),
        ("Ĳsselstein aan de ĳ", "IJsselstein aan de ij"),
        ("Škoda, ÿ, 50 €, …", "Skoda, y, 50 EUR, ..."),
        ("日本 🚑 \x00\x07", "?? ? ??"),
        ("twee\nregels", "twee\rregels"),
    ],
)
def test_texts_in_the_usual_font(text: str, written: str) -> None:
    assert latin(text) == written


@given(st.text())
def test_no_text_breaks_an_instruction(text: str) -> None:
    instruction = protocol.text_is("t0", text)
    assert instruction.startswith(b't0.txt="') and instruction.endswith(b'"' + END)
    inner = instruction[8:-4]
    assert b"\xff" not in inner and b'"' not in inner
    assert inner.replace(b"\\r", b"").count(b"\\") == 0
    assert all(byte >= 0x20 for byte in inner)


def test_instructions() -> None:
    assert protocol.text_is("ok", "Klopt\nnog") == b'ok.txt="Klopt\\rnog"' + END
    assert protocol.value_is("watch", "val", -3) == b"watch.val=-3" + END
    assert protocol.visible("p0", shown=False) == b"vis p0,0" + END
    assert protocol.page("start") == b"page start" + END
    assert protocol.brightness(35) == b"dim=35" + END
    for name in ("", "T0", 't0.txt="', "a" * 15, "0t"):
        with pytest.raises(ValueError, match="no name of a component"):
            protocol.page(name)
