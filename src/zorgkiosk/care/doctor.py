"""How a box is: facts in, one line for each check out. Pure; what reads the box is in `probes.py`."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Reached:
    """One end that was asked (SIP OPTIONS): whether it answered, and what."""

    name: str
    good: bool
    told: str


@dataclass(frozen=True)
class Facts:
    """What was read. None: it cannot be read here, which is no fault. A `*_fault` is empty when all went well."""

    free_mb: int
    clock_synced: bool
    config_faults: tuple[str, ...]
    dns_fault: str
    broker_fault: str
    link_problem: str | None
    """What sync says; None while it has the hub."""
    unacknowledged: int
    panel_fault: str
    front_fault: str | None = None
    trunks: tuple[Reached, ...] = ()
    partners: tuple[Reached, ...] = ()
    serial_devices: tuple[str, ...] | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    worn_percent: int | None = None
    versions: str | None = None
    """What runs and what the other directory holds; None where programs do not run from two directories."""
    waits_for_proof: bool = False


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
    yield _reached("panel", facts.panel_fault, "systemctl status zorgkiosk-panel")


def _network(facts: Facts) -> Iterator[Finding]:
    yield _reached("DNS", facts.dns_fault, "check [hub] host and the network's name server")
    yield _reached("broker", facts.broker_fault, "open TCP port 8883 to the hub, and check the certificate")
    yield Finding(
        "hub",
        facts.link_problem is None,
        f"sync is connected, {facts.unacknowledged} events on their way"
        if facts.link_problem is None
        else facts.link_problem,
        "systemctl status zorgkiosk-sync; when the broker is good, ask whoever runs the hub",
    )


def _telephony(facts: Facts) -> Iterator[Finding]:
    if facts.front_fault is not None:
        yield _reached("SIP front", facts.front_fault, "systemctl status kamailio")
    for end in facts.trunks:
        todo = "check [front] exchange_address and trunk_addresses, and whether the exchange answers OPTIONS from here"
        yield Finding(f"trunk {end.name}", end.good, end.told, todo)
    for end in facts.partners:
        todo = "ask the partner, and check the route to its address and port"
        yield Finding(f"partner {end.name}", end.good, end.told, todo)


def _board(facts: Facts) -> Iterator[Finding]:
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


def _reached(check: str, fault: str, todo: str) -> Finding:
    return Finding(check, not fault, fault or "reached", todo)
