"""The board's own sentences in the language of the screen."""

from __future__ import annotations

from pathlib import Path

from zorgkiosk.speech import DOMAIN as DOMAIN
from zorgkiosk.speech import Speech
from zorgkiosk.speech import phrase as phrase

LOCALE = Path(__file__).parent / "locale"
_board = Speech(LOCALE)
speaking, spoken, say, say_many, name = _board.speaking, _board.spoken, _board.say, _board.say_many, _board.name
