"""The panel's own sentences in the language of the screen."""

from __future__ import annotations

from pathlib import Path

from zorgkiosk.speech import DOMAIN as DOMAIN
from zorgkiosk.speech import Speech
from zorgkiosk.speech import phrase as phrase

LOCALE = Path(__file__).parent / "locale"
_panel = Speech(LOCALE)
speaking, spoken, say, say_many, name = _panel.speaking, _panel.spoken, _panel.say, _panel.say_many, _panel.name
