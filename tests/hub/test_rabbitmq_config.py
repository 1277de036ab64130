"""Who may say what on a RabbitMQ cluster, held against the topics of the contract."""

import json
import re

import pytest

from zorgkiosk.hub.rabbitmq import definitions

SITES = {"hap-noord": ("hap-zuid",), "hap-zuid": (), "vvt-linde": ()}
RULES = {row["user"]: row for row in json.loads(definitions("regio", SITES))["topic_permissions"]}


def may(user: str, what: str, site: str, leaf: str) -> bool:
    return re.search(RULES[user][what], f"zorgkiosk.v1.regio.{site}.{leaf}") is not None


@pytest.mark.parametrize("leaf", ["events", "state", "online"])
def test_a_site_writes_below_its_own_name_only(leaf: str) -> None:
    assert may("hap-noord", "write", "hap-noord", leaf)
    assert not may("hap-noord", "write", "hap-zuid", leaf) and not may("hap-noord", "write", "hap-noord2", leaf)
    assert not may("hub-intake", "write", "hap-noord", leaf)


@pytest.mark.parametrize("leaf", ["ack", "partners", "ask"])
def test_the_hub_alone_answers_and_each_site_hears_its_own(leaf: str) -> None:
    assert may("hub-intake", "write", "hap-noord", leaf) and not may("hap-noord", "write", "hap-noord", leaf)
    assert may("hap-noord", "read", "hap-noord", leaf) and not may("hap-noord", "read", "hap-zuid", leaf)


def test_a_site_reads_the_state_of_its_partners_and_nobody_elses() -> None:
    assert may("hap-noord", "read", "hap-zuid", "state") and not may("hap-noord", "read", "hap-zuid", "events")
    assert not may("hap-zuid", "read", "hap-noord", "state") and not may("hap-noord", "read", "*", "state")


def test_a_site_makes_the_queue_of_its_own_client_ids_only() -> None:
    rules = {row["user"]: row["configure"] for row in json.loads(definitions("regio", SITES))["permissions"]}
    own = "mqtt-subscription-hap-noord_0123456789abcdefqos0"
    assert re.search(rules["hap-noord"], own) and re.search(rules["hap-noord"], "mqtt-subscription-hap-noordqos1")
    assert not re.search(rules["hap-zuid"], own) and not re.search(rules["hap-noord"], own.replace("_", "-"))


def test_a_name_that_could_mean_more_than_itself_is_refused() -> None:
    for sites in ({".*": ()}, {"hap-noord": ("#",)}, {"hub-intake": ()}):
        with pytest.raises(ValueError, match="broker: "):
            definitions("regio", sites)
