"""The expected wait in rounded words."""

from pathlib import Path

import pytest

from shipped import ANNOUNCEMENTS
from zorgkiosk.site.config_telephony import Announcements
from zorgkiosk.site.telephony.announcer import Announcer
from zorgkiosk.site.telephony.floor import Held
from zorgkiosk.site.telephony.messages import Call

ANNOUNCER = Announcer.of(Announcements(folder=ANNOUNCEMENTS))
HELD = Held(0, Call("id", "trunk", 0, False, 0.0, 0.0))


@pytest.mark.parametrize(
    ("expected_s", "last"),
    [
        (None, "wachten"),
        (0, "bijna"),
        (59, "bijna"),
        (60, "minuten-1"),
        (220, "minuten-4"),
        (600, "minuten-10"),
        (740, "minuten-10"),
        (800, "minuten-15"),
        (1300, "minuten-20"),
        (1440, "minuten-20"),
        (1441, "langer"),
    ],
)
def test_the_wait_is_told_in_steps(expected_s: float | None, last: str) -> None:
    holds, spoken = ANNOUNCER.say(HELD, expected_s)
    assert [Path(file).stem for file in holds[0].files][-1] == last
    assert holds[1].files == spoken.repeated and not holds[1].now
