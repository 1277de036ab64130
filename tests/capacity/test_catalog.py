"""The catalogue has words in both languages for all that can be said, and fits the keys of a panel."""

import pytest

from zorgkiosk.capacity.catalog import CATEGORIES, EXCLUDES, LIMIT_WORDS, REASON_WORDS, Category
from zorgkiosk.contract.capacity import LIMITS, REASONS, Capacity

STATUS_KEYS, REASON_KEYS = 3, 6
"""So many keys of 20 mm fit beside each other on the smallest screen: beside a readout, and on a row of their own."""


def test_every_sector_has_its_codes() -> None:
    by_sector: dict[str, set[str]] = {}
    for category in CATEGORIES.values():
        by_sector.setdefault(category.sector, set()).add(category.code)
    beds = {"elv-laag", "elv-hoog", "elv-palliatief", "grz", "wlz-crisis", "wlz-spoed", "respijt", "ongelabeld"}
    assert by_sector == {
        "vvt-bedden": beds | {"hospice"},
        "vvt-wijk": {"wijk-acuut", "wijk-acuut-4-uur"},
        "seh": {"seh"},
        "ggz": {"ggz-crisis"},
        "so": {"so-dienst"},
        "apotheek": {"apotheek"},
    }


def test_every_reason_and_limit_has_words_in_both_languages() -> None:
    assert set(REASON_WORDS) == set(REASONS) and set(LIMIT_WORDS) == set(LIMITS)
    for word in (*REASON_WORDS.values(), *LIMIT_WORDS.values()):
        assert word.dutch and word.english
    assert all(EXCLUDES[other] == limit for limit, other in EXCLUDES.items())


@pytest.mark.parametrize("category", CATEGORIES.values(), ids=list(CATEGORIES))
def test_a_category_can_be_said_and_read(category: Category) -> None:
    assert category.dutch and category.english
    assert len(category.choices) <= STATUS_KEYS and len(category.choices) != 1
    if category.counted:
        assert Capacity(category=category.code, free=1).status is None
        return
    assert [choice.grade for choice in category.choices][:: len(category.choices) - 1] == ["open", "shut"]
    for choice in category.choices:
        assert choice.dutch and choice.english and len(choice.reasons) <= REASON_KEYS
        assert Capacity(category=category.code, status=choice.code).free is None
        assert category.choice(choice.code) is choice
        assert choice.end is None or (choice.end.dutch and choice.end.english)
    assert category.choices[0].end is None, "what is open stays so until somebody says otherwise"
    assert category.choice("nieuw") is None and category.choice(None) is None
