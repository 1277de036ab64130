"""No message can hold a caller: every text field of the contract refuses a telephone number by its pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from zorgkiosk.contract.capacity import LIMITS, REASONS
from zorgkiosk.contract.events import KINDS, CapacityReported
from zorgkiosk.contract.names import Message
from zorgkiosk.contract.status import Ack, Ask, CapacityState, Online, PartnerStates, SiteState
from zorgkiosk.contract.trust import CertificateRequest, IssuedCertificate, RevocationList

ABOUT_TRUST = (CertificateRequest, IssuedCertificate, RevocationList)
MESSAGES: list[type[Message]] = [*KINDS.values(), SiteState, Online, Ack, PartnerStates, Ask, *ABOUT_TRUST]
NUMBERS = ("0612345678", "+31612345678", "06-12345678", "06 1234 5678", "a0612345678", "sip:0201234567@pbx", "112358")


def texts(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place in a JSON schema where a text may stand: values, and names of properties that are free."""
    if isinstance(schema, list):
        for part in schema:
            yield from texts(part, where)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "string" and not {"enum", "const"} & set(schema):
        yield where, schema
    if schema.get("type") == "object" and "additionalProperties" in schema:
        yield f"{where} (keys)", schema.get("propertyNames", {})
    for key, part in schema.items():
        yield from texts(part, f"{where}.{key}" if key not in ("properties", "$defs", "items", "anyOf") else where)


@pytest.mark.parametrize("message", MESSAGES)
def test_no_text_of_a_message_can_be_a_telephone_number(message: type[Message]) -> None:
    for where, text in texts(message.model_json_schema()):
        assert "pattern" in text, f"{message.__name__}{where} takes any text"
        for number in NUMBERS:
            assert re.search(text["pattern"], number) is None, f"{message.__name__}{where} takes {number}"


@pytest.mark.parametrize("said", [CapacityReported, CapacityState])
def test_why_and_for_whom_is_said_in_words_of_a_fixed_list(said: type[Message]) -> None:
    schema = said.model_json_schema()["properties"]
    assert schema["reason"]["anyOf"][0]["enum"] == list(REASONS)
    assert schema["limits"]["items"]["enum"] == list(LIMITS)


def test_the_walk_finds_free_text() -> None:
    class Careless(Message):
        remark: str
        counts: dict[str, int]

    found = {where for where, text in texts(Careless.model_json_schema()) if "pattern" not in text}
    assert found == {".remark", ".counts (keys)"}
