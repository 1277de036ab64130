"""Partners are asked over SIP only while the broker is silent about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from zorgkiosk.overflow.terms import PartnerStatus
from zorgkiosk.site.telephony import front_rpc
from zorgkiosk.site.telephony.front_rpc import FrontError, PartnerAnswer
from zorgkiosk.site.telephony.partner_news import PartnerNews
from zorgkiosk.site.telephony.situation import Heard

FREE = PartnerStatus(accepting=True, desks_present=3, desks_free=2, waiting=0)


@dataclass
class AnsweringFront:
    """`Asks`: answers what it was given, for each partner."""

    answers: Mapping[str, PartnerAnswer | FrontError | None]
    asked: list[str] = field(default_factory=list)

    async def ask_partner(self, name: str) -> PartnerAnswer | None:
        self.asked.append(name)
        answer = self.answers[name]
        if isinstance(answer, FrontError):
            raise answer
        return answer


def one_round(front: AnsweringFront, heard: Mapping[str, Heard]) -> tuple[Mapping[str, Heard], PartnerNews]:
    told: list[Mapping[str, Heard]] = []
    news = PartnerNews(["hap-zuid"], front, lambda known: told.append(dict(known)))
    news.broker_brought(heard)

    async def briefly() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(news.run(), 0.05)

    asyncio.run(briefly())
    return told[-1], news


def test_fresh_words_of_the_broker_are_believed() -> None:
    front = AnsweringFront({})
    known, _ = one_round(front, {"hap-zuid": Heard(FREE, time.monotonic() - 20)})
    assert front.asked == [] and known["hap-zuid"].status == FREE


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (PartnerAnswer(200, front_rpc.PartnerStatus(True, 3, 2, 0)), FREE),
        (PartnerAnswer(503, front_rpc.PartnerStatus(True, 3, 2, 0)), PartnerStatus(False, 0, 0, 0)),
        (None, PartnerStatus(False, 0, 0, 0)),
    ],
)
def test_a_partner_the_broker_is_silent_about_is_asked(answer: PartnerAnswer | None, status: PartnerStatus) -> None:
    front = AnsweringFront({"hap-zuid": answer})
    known, news = one_round(front, {"hap-zuid": Heard(PartnerStatus(True, 1, 1, 0), time.monotonic() - 30)})
    assert front.asked == ["hap-zuid"] and known["hap-zuid"].status == status
    again = Heard(PartnerStatus(True, 1, 1, 0), time.monotonic())
    news.broker_brought({"hap-zuid": again})
    assert news._heard["hap-zuid"] == again


@pytest.mark.parametrize("answer", [PartnerAnswer(200, None), FrontError("away")])
def test_an_answer_that_says_nothing_changes_nothing(answer: PartnerAnswer | FrontError) -> None:
    known, _ = one_round(AnsweringFront({"hap-zuid": answer}), {})
    assert known == {}
