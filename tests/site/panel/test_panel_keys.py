"""Keys by name: what each does on the screen that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from panel_site import Panel, nursing_home, reporting, triage_centre

from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.facts import LineFact
from zorgkiosk.site.panel.actions import RefusedError
from zorgkiosk.site.panel.keys import Key, Verb, parse_key, press
from zorgkiosk.site.panel.screen import Place, Screen, screen


def at(panel: Panel, place: Place) -> Screen:
    shown = screen(panel.look.known(), place)
    assert shown is not None
    return shown


def opened(config: SiteConfig) -> Panel:
    return Panel(config)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("more/2", Key("more", 2)),
        ("less/1", Key("less", 1)),
        ("desk/12", Key("desk", 12)),
        ("confirm", Key("confirm")),
        ("regio", Key("regio")),
        ("choose/4", Key("choose", 4)),
        ("detail/1", Key("detail", 1)),
        ("end/6", Key("end", 6)),
        ("choose", None),
        ("more", None),
        ("more/0", None),
        ("more/-1", None),
        ("more/100", None),
        ("more/²", None),
        ("more/1/2", None),
        ("confirm/1", None),
        ("shutdown", None),
        ("", None),
    ],
)
def test_a_key_is_one_of_the_list(text: str, key: Key | None) -> None:
    assert parse_key(text) == key
    assert key is None or parse_key(str(key)) == key


def test_keys_of_a_nursing_home(tmp_path: Path) -> None:
    panel = opened(nursing_home(tmp_path))
    here = Place("capacity", 1)
    assert press(panel.taps, panel.config, at(panel, here), Key("more", 2)) == here
    assert panel.state()["pending/elv-hoog"]["free"] == 1
    press(panel.taps, panel.config, at(panel, here), Key("confirm"))
    assert panel.state()["capacity/elv-hoog"]["free"] == 1
    press(panel.taps, panel.config, at(panel, here), Key("less", 2), tap="a")
    press(panel.taps, panel.config, at(panel, here), Key("less", 2), tap="a")
    assert panel.state()["pending/elv-hoog"]["free"] == 0
    press(panel.taps, panel.config, at(panel, here), Key("undo"))
    assert "pending/elv-hoog" not in panel.state()
    assert press(panel.taps, panel.config, at(panel, here), Key("regio")) == Place("regio", 1)
    assert press(panel.taps, panel.config, at(panel, Place("regio", 1)), Key("home")) == here
    for key in (Key("more", 3), Key("desk", 1), Key("giving"), Key("triage")):
        with pytest.raises(RefusedError):
            press(panel.taps, panel.config, at(panel, here), key)
    panel.close()


def test_keys_of_a_triage_centre(tmp_path: Path) -> None:
    panel = opened(triage_centre(tmp_path, desks=7))
    here = Place("triage", 1)
    press(panel.taps, panel.config, at(panel, here), Key("desk", 2))
    assert panel.state()["desk/desk-2"]["present"]
    press(panel.taps, panel.config, at(panel, here), Key("desk", 2))
    assert not panel.state()["desk/desk-2"]["present"]
    press(panel.taps, panel.config, at(panel, here), Key("accepting"))
    assert panel.state()["overflow"] == {"giving": True, "accepting": False}
    assert press(panel.taps, panel.config, at(panel, here), Key("next")) == Place("triage", 2)
    panel.close()


def test_keys_of_a_status_and_of_the_page_that_says_more(tmp_path: Path) -> None:
    ward = {"code": "grz", "ask_expected": True, "limits": ["isolatie", "alleen-v"]}
    panel = opened(reporting(tmp_path, {"code": "seh"}, {"code": "apotheek"}, ward))
    here, stop = Place("capacity", 1), Place("detail", 1)
    press(panel.taps, panel.config, at(panel, here), Key("choose", 3))
    press(panel.taps, panel.config, at(panel, here), Key("choose", 5), tap="a")
    assert panel.state() == {"pending/seh": {"status": "stop"}, "pending/apotheek": {"status": "dicht", "tap": "a"}}
    assert press(panel.taps, panel.config, at(panel, here), Key("detail", 1)) == stop
    for key in (Key("reason", 2), Key("end", 1)):
        assert press(panel.taps, panel.config, at(panel, stop), key) == stop
    assert panel.state()["pending/seh"] | {"until": "later"} == {
        "status": "stop",
        "reason": "personeel",
        "until": "later",
    }
    press(panel.taps, panel.config, at(panel, stop), Key("reason", 2))
    assert "reason" not in panel.state()["pending/seh"]
    ward_page = Place("detail", 3)
    press(panel.taps, panel.config, at(panel, Place("capacity", 2)), Key("more", 1))
    for key in (Key("more", 1), Key("limit", 2)):
        press(panel.taps, panel.config, at(panel, ward_page), key)
    assert panel.state()["pending/grz"] == {"free": 1, "expected_free_24h": 2, "limits": ["alleen-v"]}
    press(panel.taps, panel.config, at(panel, ward_page), Key("limit", 2))
    assert "limits" not in panel.state()["pending/grz"]
    assert press(panel.taps, panel.config, at(panel, ward_page), Key("capacity")) == Place("capacity", 2)
    for place, key in (
        (here, Key("choose", 6)),
        (here, Key("more", 3)),
        (here, Key("reason", 1)),
        (here, Key("detail", 3)),
        (stop, Key("end", 7)),
        (stop, Key("reason", 7)),
        (stop, Key("limit", 1)),
        (stop, Key("less", 2)),
        (stop, Key("choose", 1)),
        (stop, Key("confirm")),
    ):
        with pytest.raises(RefusedError):
            press(panel.taps, panel.config, at(panel, place), key)
    panel.close()


def test_an_alarm_is_seen_at_any_display(tmp_path: Path) -> None:
    panel = opened(triage_centre(tmp_path))
    here = Place("triage", 1)
    with pytest.raises(RefusedError):
        press(panel.taps, panel.config, at(panel, here), Key("seen"))
    for lost in (0, 1):
        panel.write("telephony", line=LineFact(lost=lost))
        panel.beat()
    assert press(panel.taps, panel.config, at(panel, here), Key("seen")) == here
    assert panel.state()["lost"]["seen"] == 1
    panel.close()


def test_a_display_without_room_for_all_choices_goes_from_one_to_the_next(tmp_path: Path) -> None:
    panel = opened(reporting(tmp_path, {"code": "seh"}))
    here = Place("capacity", 1)

    def status() -> str | None:
        [tile] = [each for each in at(panel, here).body.tiles if each.code == "seh"]  # type: ignore[union-attr]
        return next((option.code for option in tile.choices if option.chosen), None)

    assert status() is None
    codes = []
    verbs: tuple[Verb, ...] = ("more", "more", "more", "more", "less")
    for verb in verbs:
        press(panel.taps, panel.config, at(panel, here), Key(verb, 1))
        codes.append(status())
    assert codes == ["open", "dreigend", "stop", "stop", "dreigend"]
    panel.close()
