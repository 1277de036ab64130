"""What line and worker say to each other survives the wire, and nothing else gets in."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zorgkiosk.site.telephony.messages import (
    Attached,
    Call,
    CallFinished,
    CallOffered,
    Hold,
    Leg,
    Message,
    Refuse,
    RingLeg,
    decode,
    encode,
)

CALL = Call("id-1", "hap-b", 1, True, 12.5, 30.0, (Leg("desk/1", "ringing", "id-2"),), None)
finite = st.floats(allow_nan=False, allow_infinity=False)
calls = st.builds(
    Call,
    arrived_s=finite,
    waited_before_s=finite,
    legs=st.lists(st.builds(Leg), max_size=3).map(tuple),
)


def _any_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    own: dict[type[Message], dict[str, st.SearchStrategy[object]]] = {
        Attached: {"call": st.none() | calls},
        CallOffered: {"call": calls},
        Hold: {"repeat_s": finite},
        CallFinished: {"waited_s": finite, "talked_s": finite},
    }
    return st.builds(kind, **own.get(kind, {}))


@settings(max_examples=60)
@given(st.one_of([_any_of(kind) for kind in get_args(Message)]))
def test_every_message_comes_back_as_it_went(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_a_whole_call_comes_back_with_its_legs() -> None:
    assert decode(encode(Attached(3, 4711, "sip:127.0.0.1:5103", CALL))) == Attached(
        3, 4711, "sip:127.0.0.1:5103", CALL
    )


def test_left_out_fields_take_their_defaults() -> None:
    assert decode(b'{"kind": "Hold", "files": ["a.wav"]}') == Hold(("a.wav",), 20.0, True)
    assert decode(b'{"kind": "Refuse", "code": 503, "reason": "Full"}') == Refuse(503, "Full", None, None)


def test_a_whole_number_will_do_for_seconds() -> None:
    assert decode(b'{"kind": "Hold", "files": [], "repeat_s": 5}') == Hold((), 5.0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "Expecting value"),
        (b"[]", "not a message"),
        (b'"Hold"', "not a message"),
        (b"{}", "not a message"),
        (b'{"kind": 7}', "not a message"),
        (b'{"kind": ["Hold"]}', "not a message"),
        (b'{"kind": "Explode"}', "not a message"),
        (b'{"kind": "Hold"}', "files"),
        (b'{"kind": "Hold", "files": "a.wav"}', "Hold.files"),
        (b'{"kind": "Hold", "files": ["a.wav", 5]}', "Hold.files"),
        (b'{"kind": "Hold", "files": ["a"], "repeat_s": true}', "Hold.repeat_s"),
        (b'{"kind": "Hold", "files": ["a"], "repeat_s": NaN}', "Hold.repeat_s"),
        (b'{"kind": "Hold", "files": ["a"], "now": 1}', "Hold.now"),
        (b'{"kind": "Hold", "files": ["a"], "volume": 3}', "'volume'"),
        (b'{"kind": "Refuse", "code": "503", "reason": "x"}', "Refuse.code"),
        (b'{"kind": "Refuse", "code": 503, "reason": "x", "retry_after_s": 1.5}', "Refuse.retry_after_s"),
        (b'{"kind": "Refuse", "code": 302, "reason": "x", "contact": 5}', "Refuse.contact"),
        (b'{"kind": "RingLeg", "leg": "d", "uri": "u", "partner": 1, "headers": {}}', "RingLeg.partner"),
        (b'{"kind": "RingLeg", "leg": "d", "uri": "u", "partner": true, "headers": {"a": 1}}', "RingLeg.headers"),
        (b'{"kind": "CallOffered", "call": null}', "CallOffered.call"),
        (b'{"kind": "CallOffered", "call": {"origin": "trunk"}}', "Call"),
        (b"\xff\xfe\xfd", "decode"),
    ],
)
def test_anything_else_is_a_value_error_that_says_what(line: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode(line)


def test_a_leg_in_an_unknown_state_is_refused() -> None:
    data = json.loads(encode(CallOffered(CALL)))
    data["call"]["legs"][0]["state"] = "dreaming"
    with pytest.raises(ValueError, match=r"Leg\.state"):
        decode(json.dumps(data).encode())


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_but_value_error(line: bytes) -> None:
    try:
        decode(line)
    except ValueError:
        return


def test_no_message_can_carry_a_number() -> None:
    """The only free texts are names of the line's own making, SIP Call-IDs, addresses of desks, and reasons."""
    names = {name for kind in (*get_args(Message), Call, Leg) for name in kind.__dataclass_fields__}
    assert not names & {"caller", "number", "from_uri", "display", "name_of_caller", "remote_uri"}
    assert RingLeg.__dataclass_fields__.keys() == {"leg", "uri", "partner", "headers"}
