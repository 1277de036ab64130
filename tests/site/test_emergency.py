"""Emergency numbers are known however somebody writes them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from zorgkiosk.site.config_telephony import Desk, Partner, Telephony
from zorgkiosk.site.emergency import is_emergency

NUMBERS = st.sampled_from(["112", "911", "999"])
OUTSIDE = st.sampled_from(["", "0", "9"])
COUNTRY = st.sampled_from(["", "+31", "31", "0031", "+310", "00310", "0"])
SEPARATOR = st.sampled_from(["", "-", ".", " ", "(", ")"])


@st.composite
def written(draw: st.DrawFn) -> str:
    """An emergency number as an exchange would dial it, with separators between any two signs."""
    signs = draw(OUTSIDE) + draw(COUNTRY) + draw(NUMBERS)
    return draw(SEPARATOR) + "".join(sign + draw(SEPARATOR) for sign in signs)


@given(written(), st.sampled_from(["{}", "tel:{}", "sip:{}@pbx.example", "SIPS:{}@pbx.example:5061"]))
@example("++112", "sip:{}@x")
@example("*112", "{}")
@example("SOS", "{}")
def test_an_emergency_number_is_known_in_every_writing(number: str, form: str) -> None:
    assert is_emergency(form.format(number))


@pytest.mark.parametrize(
    "number", ["201", "1122", "1120", "2112", "0900112", "0301234112", "+31301120112", "sip:line@112.example", "balie"]
)
def test_other_numbers_are_not(number: str) -> None:
    assert not is_emergency(number)


@given(written())
def test_no_destination_of_a_site_takes_one(number: str) -> None:
    desk = {"id": "desk-1", "title": "Werkplek"}
    partner = {"name": "hap-zuid", "title": "Zuid", "address": "203.0.113.5", "agreed_on": "2026-01-01"}
    for refused in (
        lambda: Telephony.model_validate({"last_resort": number}),
        lambda: Desk.model_validate({**desk, "extension": number}),
        lambda: Desk.model_validate({**desk, "phone": number}),
        lambda: Partner.model_validate({**partner, "redirect_to": f"sip:{number}@pbx.example"}),
    ):
        with pytest.raises(ValidationError, match="is an emergency number, which Zorgkiosk never dials"):
            refused()
