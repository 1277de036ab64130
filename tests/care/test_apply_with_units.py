"""A change of config on a running box: real units, a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from care_box import OwnProcesses, hub_unit, wait_for, write_site

from zorgkiosk.care.apply import Outcome, apply, hub_acknowledged, hub_reached, panel_answers, resume
from zorgkiosk.care.doctor import findings
from zorgkiosk.care.pair import Files, New
from zorgkiosk.care.probes import probe
from zorgkiosk.care.reset import factory_reset
from zorgkiosk.config_file import Problem
from zorgkiosk.hub.broker import BrokerParameters
from zorgkiosk.lab.authority import Authority
from zorgkiosk.lab.broker import RunningBroker
from zorgkiosk.lab.ports import free_port
from zorgkiosk.site.checks import check_site
from zorgkiosk.site.config import load_site
from zorgkiosk.site.panel.pin import hashed
from zorgkiosk.site.store import StoreView

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
WITHIN_S = 60.0


@pytest.fixture
def box(tmp_path: Path) -> Iterator[OwnProcesses]:
    """A site whose units run and have the hub's broker."""
    authority, port = Authority.create(tmp_path / "ca"), free_port()
    certificate, key = authority.issue("broker", addresses=("127.0.0.1",))
    broker = RunningBroker.start(
        BrokerParameters(
            "oost", tmp_path / "broker", "127.0.0.1", port, authority.ca_file, certificate, key, {"vvt-linde": ()}
        )
    )
    units = OwnProcesses(write_site(tmp_path / "etc", authority, port, free_port()))
    units.hub = hub_unit(tmp_path / "hub", authority, port)
    units.hub.start()
    units.start()
    config = load_site(units.config)
    try:
        wait_for(lambda: hub_acknowledged(config, 0) and panel_answers(config), "the units run")
        yield units
    finally:
        units.stop()
        units.hub.stop()
        broker.stop()


def changed(box: OwnProcesses, old: str, new: str) -> Path:
    file = box.config.with_name("new.toml")
    assert old in box.config.read_text()
    file.write_text(box.config.read_text().replace(old, new))
    return file


def check(file: Path, secrets: Path) -> tuple[Problem, ...]:
    return check_site(file, datetime.now(UTC), secrets=secrets)


def test_a_good_change_is_confirmed_by_the_hub(box: OwnProcesses) -> None:
    port = free_port()
    old_port = load_site(box.config).panel.port
    new = changed(box, f"port = {old_port}", f"port = {port}")
    assert apply(New(new), box.config, box, check, WITHIN_S, settled_s=1) is Outcome.CONFIRMED
    assert load_site(box.config).panel.port == port and panel_answers(load_site(box.config))
    assert Files(box.config).good.read_text() == new.read_text() and not Files(box.config).applying.exists()


def test_secrets_that_come_with_a_change_are_confirmed_or_go_back_with_it(box: OwnProcesses) -> None:
    """The panel does not start without the PIN that the new config asks for: so both are in force when units start."""
    files, secrets = Files(box.config), box.config.with_name("new-secrets.toml")
    secrets.touch(mode=0o600)
    secrets.write_text(f'[panel]\npin_scrypt = "{hashed("246810")}"\n')
    old = box.config.read_text()
    astray = changed(box, f"port = {load_site(box.config).hub.port}", f"port = {free_port()}")
    astray.write_text(astray.read_text().replace("[panel]\n", '[panel]\npin_actions = ["stop"]\n'))
    assert apply(New(astray, secrets), box.config, box, check, within_s=8) is Outcome.BACK
    assert box.config.read_text() == old and not files.secrets.exists() and not files.secrets_good.exists()
    new = changed(box, "[panel]\n", '[panel]\npin_actions = ["stop"]\n')
    assert apply(New(new, secrets), box.config, box, check, WITHIN_S, settled_s=1) is Outcome.CONFIRMED
    assert files.secrets.read_text() == secrets.read_text() and not files.secrets_good.exists()


def test_a_change_that_loses_the_hub_goes_back_and_the_hub_is_there_again(box: OwnProcesses) -> None:
    old, config = box.config.read_text(), load_site(box.config)
    new = changed(box, f"port = {config.hub.port}", f"port = {free_port()}")
    start_s = time.monotonic()
    assert apply(New(new), box.config, box, check, within_s=8) is Outcome.BACK
    assert box.config.read_text() == old
    wait_for(lambda: hub_reached(config, start_s) and panel_answers(config), "the old config works again")


def test_a_broker_without_a_hub_confirms_nothing(box: OwnProcesses) -> None:
    """The broker takes all that sync says, and the link looks good for seconds: only the hub's ack is proof."""
    old, config = box.config.read_text(), load_site(box.config)
    assert box.hub is not None
    box.hub.stop()
    new = changed(box, "total = 4", "total = 5")
    start_s = time.monotonic()
    assert apply(New(new), box.config, box, check, within_s=8) is Outcome.BACK
    assert box.config.read_text() == old
    box.hub.start()
    wait_for(lambda: hub_acknowledged(config, start_s), "the old config is acknowledged")
    assert (
        apply(New(changed(box, "total = 4", "total = 5")), box.config, box, check, WITHIN_S, settled_s=1)
        is Outcome.CONFIRMED
    )


def test_after_a_power_cut_a_good_change_is_proved_at_the_next_boot(box: OwnProcesses) -> None:
    new = changed(box, "total = 4", "total = 6")

    class PowerCutError(Exception):
        pass

    class Cut(OwnProcesses):
        def restart(self) -> None:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        apply(New(new), box.config, Cut(box.config), check)
    box.restart()  # what a boot does
    assert resume(box.config, box, WITHIN_S, settled_s=1) is Outcome.CONFIRMED
    assert load_site(box.config).capacity[0].total == 6


def test_a_reset_box_begins_a_new_epoch_once_its_name_is_typed(box: OwnProcesses) -> None:
    config = load_site(box.config)

    def epochs() -> set[str | None]:
        return {StoreView(file).epoch() for file in (config.panel_db, config.sync_db)}

    before = epochs()
    assert factory_reset(config, lambda _: "hap-noord", box) is None and epochs() == before
    removed = factory_reset(config, lambda _: "vvt-linde\n", box)
    assert removed is not None and config.panel_db in removed
    wait_for(lambda: None not in epochs() and hub_reached(config, None), "new stores, and the hub has them")
    assert not epochs() & before


def test_the_doctor_finds_a_running_box_good_and_says_what_is_wrong_with_a_stopped_one(box: OwnProcesses) -> None:
    config = load_site(box.config)
    machine = {"clock", "temperature", "power", "storage wear", "disk"}  # this machine's own, not the box's
    assert [str(each) for each in findings(probe(config, ())) if not each.good and each.check not in machine] == []
    box.stop()
    wrong = {each.check: each.todo for each in findings(probe(config, ())) if not each.good}
    assert wrong["panel"] == "systemctl status zorgkiosk-panel"
