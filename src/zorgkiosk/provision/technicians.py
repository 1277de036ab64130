"""`[technicians]` of region.toml: who comes onto the region's boxes with SSH, and from where. Without it nobody does.

The keys lie in a file of ours, which sshd reads at each login (`firmware_config/boot/user-data.j2`), and not in the
home of the account: what the next bundle does not name is gone from the box.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network
from typing import Annotated, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork

from zorgkiosk.config_file import PRIVATE_KEY, is_private_key
from zorgkiosk.config_section import Section
from zorgkiosk.provision.bundle import Entry

KEYS_FILE = "technicians_keys"
RULES_FILE = "nftables.technicians.conf"
"""Behind `nftables.conf` in the order in which /etc/nftables.conf includes both: that file makes the sets anew."""
FILES = (KEYS_FILE, RULES_FILE)
LEAST_RSA_BITS = 3072
"""NIST SP 800-57 part 1, table 2: 128 bits of strength, as the other kinds have at least."""
_TYPES = (
    "ssh-ed25519",
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"),
    "ssh-rsa",
)
_COPY = "copy the one line of the file that ends in .pub"


def _public_key(line: str) -> str:
    """One line of authorized_keys(5) without options. A text that is refused is never repeated: it may be a secret."""
    if is_private_key(line):
        raise ValueError(PRIVATE_KEY)
    kind, _, rest = line.strip().partition(" ")
    if kind not in _TYPES:
        raise ValueError(f"does not begin with one of {', '.join(_TYPES)}: {_COPY}, without options")
    blob, _, _ = rest.strip().partition(" ")
    try:
        base64.b64decode(blob, validate=True)
        key = load_ssh_public_key(f"{kind} {blob}".encode())
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise ValueError(f"is no whole key, a sign of it is missing or another: {_COPY} once more") from None
    if isinstance(key, RSAPublicKey) and key.key_size < LEAST_RSA_BITS:
        sentence = (
            f"is an RSA key of {key.key_size} bits, {LEAST_RSA_BITS} are the least: ssh-keygen -t ed25519 makes one"
        )
        raise ValueError(sentence)
    return " ".join(line.split())


def _network(value: Any) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError('is no text: write a network, such as "10.20.0.0/24"')
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_interface(value).network
    except ValueError:
        raise ValueError(f'\'{value}\' is no network: write such as "10.20.0.0/24" or "2001:db8::/48"') from None
    raise ValueError(
        f'\'{value}\' is an address within a network: write "{meant}", or "{value.partition("/")[0]}" alone'
    )


PublicKey = Annotated[str, AfterValidator(_public_key)]
Network = Annotated[IPvAnyNetwork, BeforeValidator(_network)]


def _are_different(keys: tuple[str, ...]) -> tuple[str, ...]:
    blobs = [key.split()[1] for key in keys]
    if twice := [number for number, blob in enumerate(blobs, 1) if blob in blobs[: number - 1]]:
        raise ValueError(f"the key at place {twice[0]} stands there twice: remove one, else taking it out fails")
    return keys


def _are_not_everybody(networks: tuple[IPv4Network | IPv6Network, ...]) -> tuple[Any, ...]:
    if wide := [str(each) for each in _collapsed(networks) if each.prefixlen == 0]:
        raise ValueError(f'{wide[0]} is the whole internet: write from where you work, such as ["10.20.0.0/24"]')
    return networks


class Technicians(Section):
    """OpenSSH public keys, and the networks that reach port 22 of a box."""

    ssh_keys: Annotated[tuple[PublicKey, ...], Field(min_length=1), AfterValidator(_are_different)]
    networks: Annotated[tuple[Network, ...], Field(min_length=1), AfterValidator(_are_not_everybody)]


def files(technicians: Technicians | None) -> dict[str, Entry]:
    """By name below /etc/zorgkiosk what a box gets; nothing without technicians, and then it removes what it has."""
    if technicians is None:
        return {}
    return {
        KEYS_FILE: Entry(_keys(technicians).encode()),
        RULES_FILE: Entry(_rules(technicians).encode()),
    }


def _keys(technicians: Technicians) -> str:
    """authorized_keys(5). The networks stand here too: they hold also where the packet filter is not loaded."""
    networks = ",".join(map(str, _collapsed(technicians.networks)))
    return "".join(f'from="{networks}" {key}\n' for key in technicians.ssh_keys)


def _rules(technicians: Technicians) -> str:
    """nft(8). The sets are nftables.conf's and are named again: where one is missing there (a file of before, or none),
    nothing of /etc/nftables.conf would be loaded, and the box would stand open.
    """
    lines = [
        "# From where technicians may come: made by `zorgkiosk provision` from region.toml. nftables.conf comes first.",
        "add table inet zorgkiosk",
    ]
    for version, name in ((4, "technicians"), (6, "technicians6")):
        if some := [str(each) for each in _collapsed(technicians.networks) if each.version == version]:
            lines.append(f"add set inet zorgkiosk {name} {{ type ipv{version}_addr; flags interval; }}")
            lines.append(f"add element inet zorgkiosk {name} {{ {', '.join(some)} }}")
    return "\n".join(lines) + "\n"


def _collapsed(networks: Iterable[IPv4Network | IPv6Network]) -> list[IPv4Network | IPv6Network]:
    """Without those that lie within another: a set of nftables refuses what overlaps."""
    all_of = list(networks)
    v4 = collapse_addresses([each for each in all_of if isinstance(each, IPv4Network)])
    v6 = collapse_addresses([each for each in all_of if isinstance(each, IPv6Network)])
    return [*v4, *v6]
