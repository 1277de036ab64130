"""How a box is: facts in, one line for each check out. Pure; what reads the box is in `probes.py`."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

FREE_MB = 200
HOT_C = 75.0
WORN_PERCENT = 80
_THROTTLED = {  # vcgencmd get_throttled, documentation/asciidoc/computers/os/using-vcgencmd of Raspberry Pi
    0: "under-voltage now",
    1: "frequency capped now",
    2: "throttled now",
    3: "too hot now",
    16: "under-voltage since the start",
    18: "throttled since the start",
}


@dataclass(frozen=True)
class Finding:
    """One check. `todo` is empty when it is good."""

    check: str
    good: bool
    told: str
    todo: str = ""

    def __str__(self) -> str:
        return f"✓ {self.check}: {self.told}" if self.good else f"✗ {self.check}: {self.told} → {self.todo}"


class Cause(enum.Enum):
    """Where a fault of an end that was asked lies, as far as it can be told from here."""

    WAY = enum.auto()
    TRUST = enum.auto()
    OWN_FILES = enum.auto()
    OWN_ADDRESS = enum.auto()


@dataclass(frozen=True)
class Reached:
    """One end that was asked: whether it answered, what, and when it did not where to look."""

    name: str
    good: bool
    told: str
    cause: Cause = Cause.WAY


@dataclass(frozen=True)
class SyncSaid:
    """What sync says of the hub. `acknowledged_ago_s`: the last ack of this boot's rows; None when there was none."""

    runs: bool
    problem: str | None
    """None while it has the hub."""
    unacknowledged: int
    acknowledged_ago_s: float | None


@dataclass(frozen=True)
class Echo:
    """What became of a row that sync was asked to send: `ms` until the hub's ack was there; None when it did not come.

    `taken`: sync wrote the row. `waited_s`: for how long it was looked for.
    """

    taken: bool
    ms: float | None
    waited_s: float


@dataclass(frozen=True)
class Facts:
    """What was read. None: it cannot be read here, or not without a config, which is no fault.

    A `*_fault` is empty when all went well.
    """

    free_mb: int
    clock_synced: bool
    config_faults: tuple[str, ...]
    dns_fault: str | None = None
    broker: Reached | None = None
    sync: SyncSaid | None = None
    echo: Echo | None = None
    """None while sync has no link: then there is nothing to ask."""
    panel_fault: str | None = None
    front_fault: str | None = None
    trunks: tuple[Reached, ...] = ()
    partners: tuple[Reached, ...] = ()
    serial_panels: tuple[Reached, ...] = ()
    serial_devices: tuple[str, ...] | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    worn_percent: int | None = None
    versions: str | None = None
    """What runs and what the other directory holds; None where programs do not run from two directories."""
    waits_for_proof: bool = False
    forgotten: str = ""
    """What of the stores and the config is gone when the power goes, as a sentence; empty when all of it lasts."""
    swaps: tuple[str, ...] = ()
    """Files and partitions on which the kernel lays memory aside; none of them in memory itself (zram)."""


def findings(facts: Facts) -> tuple[Finding, ...]:
    """Every check that makes sense on this box, in the order in which they are best cured."""
    return (*_machine(facts), *_network(facts), *_telephony(facts), *_board(facts))


def _machine(facts: Facts) -> Iterator[Finding]:
    yield Finding(
        "disk",
        facts.free_mb >= FREE_MB,
        f"{facts.free_mb} MB free",
        f"make room: {FREE_MB} MB are needed; look in /var/log first",
    )
    if facts.swaps:
        todo = "swapoff -a, and take it out of /etc/fstab; on a Pi systemctl disable dphys-swapfile. It wears a card"
        yield Finding("swap", False, f"on {', '.join(facts.swaps)}: keys and passwords in memory may reach it", todo)
    if facts.forgotten:
        told, _, todo = facts.forgotten.partition(": ")
        yield Finding("read-only system", False, told, todo)
    if facts.versions is not None:
        yield Finding(
            "version", not facts.waits_for_proof, facts.versions, "wait two minutes, else zorgkiosk update resume"
        )
    yield Finding(
        "clock",
        facts.clock_synced,
        "synchronised" if facts.clock_synced else "not synchronised",
        "open UDP port 123 to a time server; certificates are judged by this clock",
    )
    if not facts.config_faults:
        yield Finding("config and certificate", True, "good")
    for fault in facts.config_faults:
        yield Finding("config and certificate", False, fault, "write it as said, and run zorgkiosk check")
    if facts.panel_fault is not None:
        yield _reached("panel", facts.panel_fault, "systemctl status zorgkiosk-panel")


def _network(facts: Facts) -> Iterator[Finding]:
    if facts.dns_fault is not None:
        yield _reached("DNS", facts.dns_fault, "check [hub] host and the network's name server")
    if (broker := facts.broker) is not None:
        yield _end("broker", broker, f"open TCP to {broker.name} on the way to the hub", "whoever runs the hub")
    if facts.sync is not None:
        told, todo = _hub(facts.sync)
        yield Finding("hub", not todo, told, todo)
    if facts.echo is not None:
        told, todo = _echo(facts.echo)
        yield Finding("echo through the hub", not todo, told, todo)


def _echo(echo: Echo) -> tuple[str, str]:
    """From sync's store to the hub's database and back, and what to do when it does not come."""
    if echo.ms is not None:
        return f"{echo.ms:.0f} ms to its database and back", ""
    if not echo.taken:
        return f"sync did not take the question within {echo.waited_s:.0f} s", (
            "run it as root (sudo); else systemctl status zorgkiosk-sync"
        )
    return f"the broker is reached, and the hub acknowledged nothing within {echo.waited_s:.0f} s", (
        "ask whoever runs the hub whether its intake runs and its database takes rows"
    )


def _hub(sync: SyncSaid) -> tuple[str, str]:
    """What was heard of the hub itself, and what to do when that is not good."""
    if not sync.runs:
        return "sync does not run", "systemctl status zorgkiosk-sync"
    if sync.problem is not None:
        return sync.problem, "systemctl status zorgkiosk-sync; when the broker is good, ask whoever runs the hub"
    if sync.acknowledged_ago_s is None:
        # Each start of sync says something that the hub has to acknowledge.
        return "sync is connected, the hub has acknowledged nothing since this start of the box", (
            "wait a minute; then ask whoever runs the hub whether its intake runs"
        )
    ago = _ago(sync.acknowledged_ago_s)
    return f"sync is connected, the hub acknowledged {ago} ago, {sync.unacknowledged} events on their way", ""


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _telephony(facts: Facts) -> Iterator[Finding]:
    if facts.front_fault is not None:
        yield _reached("SIP front", facts.front_fault, "systemctl status kamailio")
    for end in facts.trunks:
        todo = "check [front] exchange_address and trunk_addresses, and whether the exchange answers OPTIONS from here"
        yield _end(f"trunk {end.name}", end, todo, "whoever runs the exchange")
    for end in facts.partners:
        todo = "check the route to its address and port, then ask the partner"
        yield _end(f"partner {end.name}", end, todo, "the partner")


def _board(facts: Facts) -> Iterator[Finding]:
    for panel in facts.serial_panels:
        todo = "plug it in, try another cable; ls /dev/serial/by-id says what is there: is it [[serial_panel]] device?"
        yield Finding(f"serial panel {panel.name}", panel.good, panel.told, todo)
    if facts.serial_devices is not None:
        yield Finding(
            "serial", True, ", ".join(facts.serial_devices) or "no serial device, so no hardware panel on one"
        )
    if facts.temperature_c is not None:
        hot = facts.temperature_c >= HOT_C
        yield Finding(
            "temperature", not hot, f"{facts.temperature_c:.0f} °C", "give it air: throttling begins at 80 °C"
        )
    if facts.throttled is not None:
        said = [words for bit, words in _THROTTLED.items() if facts.throttled >> bit & 1]
        yield Finding("power", not said, ", ".join(said) or "steady", "another power supply or cable; then air")
    if facts.worn_percent is not None:
        worn = facts.worn_percent >= WORN_PERCENT
        yield Finding("storage wear", not worn, f"up to {facts.worn_percent} % used", "replace it at the next visit")


def _end(check: str, end: Reached, way: str, who: str) -> Finding:
    todo = {
        Cause.WAY: way,
        Cause.TRUST: f"zorgkiosk check says what is wrong with our certificate; is it right, ask {who}",
        Cause.OWN_FILES: "put ca_file, certificate_file and key_file of [hub] in place, then zorgkiosk check",
        Cause.OWN_ADDRESS: "give this box that address, or write the right one in [front] address",
    }[end.cause]
    return Finding(check, end.good, end.told, todo)


def _reached(check: str, fault: str, todo: str) -> Finding:
    return Finding(check, not fault, fault or "reached", todo)
