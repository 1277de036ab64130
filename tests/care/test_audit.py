"""What was done to a box is logged by device and role, written out, and verified from outside."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from care_box import NoUnits, write_site

from zorgkiosk.care.apply import Outcome, apply, resume
from zorgkiosk.care.pair import New
from zorgkiosk.care.reset import factory_reset
from zorgkiosk.cli import main
from zorgkiosk.config_file import ConfigError, Problem
from zorgkiosk.contract.events import Event, JournalHead, Said
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.lab.authority import Authority
from zorgkiosk.provision.bundle import Entry, pack
from zorgkiosk.site.clock import SystemClock
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.config_log import record
from zorgkiosk.site.journal import JournalLine
from zorgkiosk.site.panel.actions import Taps
from zorgkiosk.site.store import Store, StoreView


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_site(tmp_path / "etc", Authority.create(tmp_path / "ca"), 1)


@pytest.fixture
def site(file: Path) -> SiteConfig:
    return load_site(file)


def tap(site: SiteConfig, times: int) -> None:
    """As the unit does: begin, tap, and tell the last line in the end."""
    clock = SystemClock.of_this_boot()
    store = Store.open(site.panel_db, "panel", clock)
    store.begin_journal()
    for _ in range(times):
        Taps(site, store, clock).step("elv-laag", 1)
    store.tell_head()
    store.close()


def log_of(site: SiteConfig) -> list[tuple[str, ...]]:
    rows = reversed(StoreView(site.care_db).journal(skip=0, limit=99))
    return [(row.line.device, row.line.role, row.line.verb, row.line.value) for row in rows]


def by_hand(store: Path, sql: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(sql)
        connection.commit()


def remove(store: Path) -> None:
    for part in store.parent.glob(f"{store.name}*"):
        part.unlink()


def heard(site: SiteConfig) -> str:
    """What the hub would print of the panel's journal as it is now."""
    view = StoreView(site.panel_db)
    epoch, head = view.epoch(), view.journal_head()
    view.close()
    assert head is not None
    named = {"site": site.site.name, "stream": "panel", "epoch": epoch, "heard_at": "2026-11-21T13:00:00.000000Z"}
    return json.dumps({**named, "line": head.sequence, "sha256": head.hash})


def verified(*arguments: object) -> int:
    return main(["audit", "verify", *map(str, arguments)])


def test_a_change_of_config_is_logged_when_it_begins_and_when_it_ends(file: Path, site: SiteConfig) -> None:
    new = file.with_name("new.toml")
    new.write_text(file.read_text().replace("total = 4", "total = 5"))
    assert apply(New(new), file, NoUnits(), lambda *_: (), within_s=0.05) is Outcome.BACK
    assert log_of(site) == [
        ("console", "technicus", "apply", "begun"),
        ("console", "technicus", "apply", "back"),
    ]
    new.write_text("[site")
    with pytest.raises(ConfigError):
        apply(New(new), file, NoUnits(), lambda each, _: (Problem.of_file(each, "is no TOML"),))
    assert len(log_of(site)) == 2, "what check refuses changes nothing"


def test_what_the_box_ends_by_itself_after_a_power_cut_is_logged_as_its_own(file: Path, site: SiteConfig) -> None:
    good, applying = file.with_name("site.toml.good"), file.with_name("site.toml.applying")
    good.write_bytes(file.read_bytes())
    applying.write_text("0" * 64 + " 0\n")
    file.unlink()
    assert resume(file, NoUnits()) is Outcome.BACK
    assert log_of(site) == [("box", "systeem", "apply", "back")]


def test_a_log_that_takes_nothing_keeps_nobody_from_curing_the_box(
    file: Path, site: SiteConfig, caplog: pytest.LogCaptureFixture
) -> None:
    site.care_db.mkdir(parents=True)  # nothing can be opened there
    assert not record(site.care_db, JournalLine("console", "technicus", "apply", "", "begun"))
    assert "is not in the log of this box" in caplog.text
    assert apply(New(file), file, NoUnits(), lambda *_: (), within_s=0.05) is Outcome.BACK


def test_a_reset_begins_new_chains_that_name_the_old_ones(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    record(site.care_db, JournalLine("console", "technicus", "apply", "", "begun"))
    old = {store: StoreView(store).journal_head() for store in (site.panel_db, site.care_db)}
    assert factory_reset(site, lambda _: "vvt-linde", NoUnits())
    assert log_of(site) == [("console", "technicus", "factory-reset", str(head)) for head in old.values()]
    tap(site, 1)
    for store, head in old.items():
        with StoreView(store).chain() as chain:
            assert chain is not None and head is not None and chain.begun_after == head
    assert verified("--config", file) == 0
    assert "✓ panel.db: rows 1 to 3 are whole" in (told := capsys.readouterr().out)
    assert "a factory reset ended the journal before it at row 4" in told
    out = file.with_name("journal.jsonl")
    assert main(["audit", "export", "--config", str(file), "--out", str(out)]) == 0
    assert verified(out) == 0, "the reset is told of in the same file"
    assert verified(site.panel_db) == 1, "here it is not"


def test_after_resets_the_hub_may_have_heard_of_every_journal_that_was_here(
    file: Path, site: SiteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = tmp_path / "heads.jsonl"
    lines = []
    for times in (3, 2, 1):
        tap(site, times)
        lines.append(heard(site))
        assert factory_reset(site, lambda _: "vvt-linde", NoUnits())
    tap(site, 1)
    heads.write_text("\n".join([*lines, heard(site)]))
    assert verified("--config", file, "--heads", heads) == 0
    assert capsys.readouterr().out.count("is not here; the journal after it names its last row") == 3
    clock = SystemClock.of_this_boot()
    store = Store.open(site.panel_db, "panel", clock)
    with store.transaction() as change:
        change.forget_journal(clock.now(), most=0)
    store.tell_head()
    store.close()
    assert verified("--config", file, "--heads", heads) == 0, "a checkpoint takes no name along"
    longer = json.loads(lines[0]) | {"line": 9}
    heads.write_text("\n".join([json.dumps(longer), *lines[1:]]))
    assert verified("--config", file, "--heads", heads) == 1
    assert "the hub heard of another row 9 than a journal that ended at 4 has" in capsys.readouterr().out


def test_a_box_that_has_just_begun_is_whole(file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    tap(site, 0)
    assert verified("--config", file) == 0
    assert "✓ care.db: there is none yet" in capsys.readouterr().out


def test_a_store_that_was_removed_is_missed_also_after_the_panel_began_another(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    record(site.care_db, JournalLine("console", "technicus", "apply", "", "begun"))
    remove(site.panel_db)
    assert verified("--config", file) == 1
    assert "✗ panel.db: is gone: its journal went to row 4 at least" in capsys.readouterr().out
    assert main(["audit", "export", "--config", str(file)]) == 74, "an export says what it does not hold"
    assert "panel.db: there is no store" in capsys.readouterr().err
    for _ in range(2):  # also when it was started more than once since
        tap(site, 1)
        assert verified("--config", file) == 1
        told = capsys.readouterr().out
        assert "the journal before it, up to row 4" in told and "no factory reset that is told of here ended it" in told
    assert "✓ care.db" in told, "each journal is judged by itself"


def test_a_damaged_store_that_was_set_aside_is_told_of(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    remove(site.panel_db)
    site.panel_db.write_bytes(b"no database at all" * 1000)
    tap(site, 1)
    assert verified("--config", file) == 1
    assert "the journal before it, up to row 4" in capsys.readouterr().out


def test_a_journal_removed_with_the_file_beside_it_is_missed_by_what_the_hub_heard(
    file: Path, site: SiteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    before = heard(site)
    remove(site.panel_db)
    site.panel_db.with_suffix(".head").unlink()
    assert verified("--config", file) == 1
    assert "✗ panel.db: there is none" in capsys.readouterr().out
    tap(site, 1)
    heads = tmp_path / "heads.jsonl"
    heads.write_text(f"{before}\n{heard(site)}\n")
    assert verified("--config", file, "--heads", heads) == 1
    told = capsys.readouterr().out
    assert "✗ vvt-linde panel of epoch" in told
    assert "the hub heard of row 4, but it is not here, and no journal here names it" in told


def test_rows_taken_from_the_end_with_the_file_beside_the_store_leave_a_store_that_is_not_good(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    by_hand(site.panel_db, "DELETE FROM journal WHERE sequence > 2")
    site.panel_db.with_suffix(".head").unlink()
    assert verified("--config", file) == 1
    assert "but panel.head is not beside it: rows after them may have been taken" in capsys.readouterr().out


def test_a_file_put_in_place_of_the_store_is_noticed(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 2)
    head = site.panel_db.with_suffix(".head")
    kept = head.read_bytes()
    for part in site.panel_db.parent.glob("panel.*"):
        part.unlink()
    tap(site, 1)
    head.write_bytes(kept)
    assert verified("--config", file) == 1
    assert (
        "✗ panel.db: row 1: does not follow the journal that was here, which went to row 3" in capsys.readouterr().out
    )


def test_rows_taken_from_the_end_are_noticed_by_the_file_beside_the_store(
    file: Path, site: SiteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    assert verified("--config", file) == 0
    assert "✓ panel.db: rows 1 to 4 are whole, held against 1 known heads" in capsys.readouterr().out
    by_hand(site.panel_db, "DELETE FROM journal WHERE sequence > 2")
    assert verified("--config", file) == 1
    assert "✗ panel.db: row 3: is missing, and all after it: there was a row 4" in capsys.readouterr().out


def test_an_export_is_verified_without_the_box(
    file: Path, site: SiteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    record(site.care_db, JournalLine("console", "technicus", "apply", "", "begun"))
    out = tmp_path / "journal.jsonl"
    assert main(["audit", "export", "--config", str(file), "--out", str(out)]) == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert main(["audit", "export", "--config", str(file), "--out", str(out)]) == 74, "evidence is not overwritten"
    assert main(["audit", "export", str(site.panel_db)]) == 0
    assert capsys.readouterr().out.splitlines() == out.read_text().splitlines()[:5]
    assert verified(out) == 0
    said = capsys.readouterr().out
    assert "journal 1 (panel): rows 1 to 4" in said and "journal 2 (care): rows 1 to 2" in said
    lines = out.read_text().splitlines()
    spoilt = json.loads(lines[3]) | {"value": "9"}
    out.write_text("\n".join([*lines[:3], json.dumps(spoilt), *lines[4:]]))
    assert verified(out) == 1
    said = capsys.readouterr().out
    assert "✗ journal.jsonl, journal 1 (panel): row 3: its hash does not fit" in said
    assert "✓ journal.jsonl, journal 2 (care)" in said, "each journal is judged by itself"
    out.write_text("\n".join(lines[:4]))
    assert verified(out) == 1 and "row 4: is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "line 1 is no JSON object"),
        ('{"format": "zorgkiosk-journal-2"}', "line 1 does not begin a journal"),
        ('{"format": "zorgkiosk-journal-1", "start": "x"}', "line 1 does not say where"),
        ("[1]", "line 1 is no JSON object"),
    ],
)
def test_what_is_no_export_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(text)
    assert verified(file) == 1 and told in capsys.readouterr().out


def test_what_is_not_there_cannot_be_verified(tmp_path: Path, file: Path) -> None:
    assert verified(tmp_path / "nothing") == 74
    assert verified("--config", file) == 1, "a box without any journal proves nothing"


def test_a_chain_written_anew_on_the_box_is_found_by_what_the_hub_heard(
    file: Path, site: SiteConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tap(site, 3)
    view = StoreView(site.panel_db)
    epoch, head = view.epoch(), view.journal_head()
    view.close()
    assert epoch is not None and head is not None
    hub = tmp_path / "hub.toml"
    hub.write_text(
        '[hub]\nregion = "oost"\ndatabase = "sqlite:///hub.db"\n[broker]\nhost = "h"\nca_file = "a"\n'
        'certificate_file = "b"\nkey_file = "c"\n[[site]]\nname = "vvt-linde"\ntitle = "L"\nkind = "vvt"\n'
    )
    now = datetime.now(UTC)
    inbox = Inbox.open(f"sqlite:///{tmp_path / 'hub.db'}")
    with inbox.commit(now) as commit:
        said = Said(now, "3f0c2c3e-6a0e-4b7e-9d8c-2f4f3c1f7a55", 1, True)
        data = JournalHead(line=head.sequence, sha256=head.hash)
        commit.take([Event("oost", "vvt-linde", "panel", epoch, 1, 0, said, data)])
    inbox.close()
    assert main(["hub", "heads", "vvt-linde", "--config", str(hub)]) == 0
    heads = tmp_path / "heads.jsonl"
    heads.write_text(capsys.readouterr().out)
    assert verified("--config", file, "--heads", heads) == 0
    # A checkpoint of one's own is a checkpoint, but who reads on sees what it took along.
    clock = SystemClock.of_this_boot()
    store = Store.open(site.panel_db, "panel", clock)
    with store.transaction() as change:
        assert change.forget_journal(now, most=0) == 4
    store.tell_head()
    store.close()
    capsys.readouterr()
    assert verified("--config", file, "--heads", heads) == 0
    assert (
        "held against 1 known heads; 1 more are of rows that a checkpoint says were removed" in capsys.readouterr().out
    )
    # Whoever may write the store and the file beside it makes a chain that is whole by itself.
    by_hand(site.panel_db, "DELETE FROM journal")
    site.panel_db.with_suffix(".head").unlink()
    tap(site, 5)
    assert verified("--config", file) == 0
    assert verified("--config", file, "--heads", heads) == 1
    assert "is not the row that was there: the chain was written anew" in capsys.readouterr().out
    heads.write_text("{}")
    assert verified("--config", file, "--heads", heads) == 74


def test_what_was_done_to_the_box_stands_in_a_folder_of_root_s_alone(site: SiteConfig) -> None:
    assert record(site.care_db, JournalLine("console", "technicus", "apply", "", "begun"))
    assert not site.care_db.is_relative_to(site.site.data_dir)
    assert site.care_db.parent.stat().st_mode & 0o777 == 0o700


def test_a_bundle_that_came_into_force_is_logged_by_its_digest(file: Path, site: SiteConfig, tmp_path: Path) -> None:
    etc, bundle = tmp_path / "box", tmp_path / "zorgkiosk.tar"
    etc.mkdir()
    bundle.write_bytes(pack({"etc/zorgkiosk/site.toml": Entry(file.read_bytes())}))
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    for _ in range(2):  # the second time there is none
        assert main(["take-bundle", str(bundle), "--config", str(etc / "site.toml")]) == 0
    [row] = StoreView(load_site(etc / "site.toml").care_db).journal(skip=0, limit=9)
    assert row.line == JournalLine("box", "systeem", "take-bundle", digest)
