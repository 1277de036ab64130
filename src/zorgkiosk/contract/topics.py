"""MQTT topics: `zorgkiosk/v1/{region}/{site}/{leaf}`.

A site publishes `events`, `state` and `online` below its own name and reads `ack`, `partners`, `ask` and `revoked`
there; the broker's ACL binds the name to the client certificate, and the hub checks it again. `request` and
`certificate` are between a site and whoever keeps the region's certificate authority: the hub takes no part in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from zorgkiosk.contract.names import CODE_PATTERN, ContractError

Leaf = Literal["events", "state", "online", "ack", "partners", "ask", "revoked", "request", "certificate"]
ROOT = "zorgkiosk/v1"
FROM_SITE: tuple[Leaf, ...] = ("events", "state", "online")
FROM_HUB: tuple[Leaf, ...] = ("ack", "partners", "ask", "revoked")
TO_PROVISIONER: tuple[Leaf, ...] = ("request",)
FROM_PROVISIONER: tuple[Leaf, ...] = ("ask", "certificate", "revoked")
HEARD_BY_SITE: tuple[Leaf, ...] = (*FROM_HUB, "certificate")
SAID_BY_SITE: tuple[Leaf, ...] = (*FROM_SITE, *TO_PROVISIONER)


@dataclass(frozen=True)
class Topic:
    region: str
    site: str
    leaf: Leaf

    def __str__(self) -> str:
        return f"{ROOT}/{self.region}/{self.site}/{self.leaf}"


def parse(topic: str) -> Topic:
    """The parts of a concrete topic. Raises ContractError for any other topic."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[4] not in get_args(Leaf):
        raise ContractError("topic", f"topic {topic[:80]!r} is not {ROOT}/REGION/SITE/LEAF")
    if not all(len(part) <= 40 and re.fullmatch(CODE_PATTERN, part) for part in parts[2:4]):
        raise ContractError("topic", f"topic {topic[:80]!r} names no valid region and site")
    return Topic(region=parts[2], site=parts[3], leaf=cast(Leaf, parts[4]))


def every_site(region: str, leaf: Leaf) -> str:
    """Subscription filter for one leaf of all sites of a region."""
    return f"{ROOT}/{region}/+/{leaf}"
