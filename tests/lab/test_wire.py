"""MQTT's variable byte integers, as the bench writes and reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorgkiosk.lab.bench.wire import _encoded, _length


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (16_383, b"\xff\x7f"), (268_435_455, b"\xff\xff\xff\x7f")],
)
def test_the_table_of_the_standard(value: int, bytes_: bytes) -> None:
    """MQTT 5.0 table 1-1."""
    assert _encoded(value) == bytes_


@given(st.integers(0, 268_435_455), st.binary(max_size=4))
def test_a_length_is_read_as_it_was_written(value: int, after: bytes) -> None:
    encoded = _encoded(value)
    assert _length(encoded + after) == (value, len(encoded))


def test_a_length_without_end_is_refused() -> None:
    with pytest.raises(ConnectionResetError, match="without end"):
        _length(b"\x80")
