"""The region's broker as a RabbitMQ cluster: each node's configuration, and who may say what on it.

The same rules as the ACL of hub/broker.py, as RabbitMQ's topic permissions: the name in a certificate is the user, a
site writes below its own name and reads what the hub says to it and its partners' `state`.
Sources: RabbitMQ 3.10, "MQTT Plugin", "Cluster Formation", "Topic Authorisation", "Definitions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from zorgkiosk.contract.names import CODE_PATTERN
from zorgkiosk.contract.topics import (
    FROM_HUB,
    FROM_PROVISIONER,
    FROM_SITE,
    HEARD_BY_SITE,
    SAID_BY_SITE,
    TO_PROVISIONER,
    Leaf,
)
from zorgkiosk.hub.broker import HUB_NAME, PROVISIONER_NAME

PLUGINS = "[rabbitmq_mqtt, rabbitmq_auth_mechanism_ssl]."
ELECTION = "ra:restart_server(coordination, {mqtt_node, node()})."
"""Erlang, for `rabbitmqctl eval` on a node that does not come up.

When most nodes were down, the first to start waits for a majority of the MQTT plugin's Raft group to elect a leader,
and the others wait for that leader before they take part (3.10's mqtt_node:start/0: join_peers before restart_server, a
hundred times 105 s). This lets a node take part at once; on one that does already it changes nothing.
"""
_EXCHANGE = "amq.topic"


@dataclass(frozen=True)
class Node:
    """One machine of the cluster. `name`: as Erlang knows it, `rabbit@machine-1`; ports are TLS ports."""

    name: str
    address: str
    mqtt_port: int = 8883
    amqp_port: int = 5671


def render(node: Node, nodes: tuple[Node, ...], definitions: Path, ca: Path, certificate: Path, key: Path) -> str:
    """rabbitmq.conf of one of the nodes."""
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - not HTML
    return template.from_string(files("zorgkiosk.hub").joinpath("rabbitmq.conf.j2").read_text()).render(
        node=node, nodes=nodes, definitions=definitions, ca=ca, certificate=certificate, key=key
    )


def definitions(region: str, sites: Mapping[str, tuple[str, ...]], hub_names: tuple[str, ...] = (HUB_NAME,)) -> str:
    """Users and what each may do, as JSON. Raises ValueError for a name that could mean more than itself."""
    names = [region, *hub_names, *sites, *(partner for partners in sites.values() for partner in partners)]
    for name in names:
        if len(name) > 40 or not re.fullmatch(CODE_PATTERN, name):
            raise ValueError(f"broker: {name[:80]!r} is no name: lower-case words joined by hyphens")
    if clash := {*hub_names, PROVISIONER_NAME} & set(sites):
        raise ValueError(f"broker: {min(clash)} cannot be the name of a site and of the hub")
    users = [*hub_names, PROVISIONER_NAME, *sites]
    return json.dumps(
        {
            "vhosts": [{"name": "/"}],
            "users": [{"name": name, "password_hash": "", "tags": []} for name in users],
            "permissions": [*_permissions(region, sites, hub_names)],
            "topic_permissions": [*_topic_permissions(region, sites, hub_names)],
        },
        indent=1,
    )


def _permissions(region: str, sites: Mapping[str, tuple[str, ...]], hub_names: tuple[str, ...]) -> Iterator[Any]:
    queues = rf"(zorgkiosk\.{region}\.intake|amq\.gen.*)"
    for name in hub_names:
        yield _row(name, configure=f"^{queues}$", write=rf"^({queues}|amq\.topic)$", read=rf"^({queues}|amq\.topic)$")
    for name in (PROVISIONER_NAME, *sites):
        # A client's id, in the name of its queue, ends in what only its key gives (site/sync/uplink.py).
        own = f"mqtt-subscription-{name}(_[0-9a-f]{{16}})?qos[01]"
        yield _row(name, configure=f"^{own}$", write=rf"^({own}|amq\.topic)$", read=rf"^({own}|amq\.topic)$")


def _topic_permissions(region: str, sites: Mapping[str, tuple[str, ...]], hub_names: tuple[str, ...]) -> Iterator[Any]:
    anybody = "[^.]+"
    for name in hub_names:
        # A binding is checked by its pattern, in which `*` stands for any site.
        yield _row(name, exchange=_EXCHANGE, write=_keys(region, anybody, FROM_HUB),
                   read=_keys(region, r"\*", FROM_SITE))  # fmt: skip
    yield _row(PROVISIONER_NAME, exchange=_EXCHANGE, write=_keys(region, anybody, FROM_PROVISIONER),
               read=_keys(region, r"\*", TO_PROVISIONER))  # fmt: skip
    for name, partners in sites.items():
        states = (_key(region, partner, ("state",)) for partner in partners)
        heard = "|".join([_key(region, name, HEARD_BY_SITE), *states])
        yield _row(name, exchange=_EXCHANGE, write=_keys(region, name, SAID_BY_SITE), read=f"^({heard})$")


def _row(user: str, **may: str) -> dict[str, str]:
    return {"user": user, "vhost": "/", **may}


def _keys(region: str, site: str, leaves: tuple[Leaf, ...]) -> str:
    return f"^{_key(region, site, leaves)}$"


def _key(region: str, site: str, leaves: tuple[Leaf, ...]) -> str:
    return rf"zorgkiosk\.v1\.{region}\.{site}\.({'|'.join(leaves)})"
