"""A hub's database goes into a file and comes back, and what is missing afterwards is shown."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from hub_said import NOON, REGION, SITES, event, state

from zorgkiosk.cli import main
from zorgkiosk.hub import schema
from zorgkiosk.hub.backup import BackupError, backup, restore
from zorgkiosk.hub.board import view
from zorgkiosk.hub.inbox import Inbox
from zorgkiosk.hub.outlook import Outlook

pytest_plugins = ["database_fixtures"]


def take(database: str, *numbers: int, first_previous: int | None = None) -> int:
    """How far the hub says it holds the stream."""
    inbox = Inbox.open(database)
    events = [event(number, first_previous if number == numbers[0] else None) for number in numbers]
    with inbox.commit(NOON) as commit:
        (receipt,) = commit.take(events)
        commit.take_state(state("hap-noord"))
    inbox.close()
    return receipt.ack.up_to


def kept(database: str) -> list[int]:
    engine = sa.create_engine(database)
    with engine.connect() as connection:
        found = list(connection.scalars(sa.select(schema.event.c.sequence).order_by("sequence")))
    engine.dispose()
    return found


def notes(database: str) -> list[str]:
    outlook = Outlook.on(database, SITES)
    shown = view.board(REGION, outlook.reports(), NOON, view.Filter())
    outlook.close()
    return list(shown.notes)


def test_a_backup_made_while_the_intake_writes_comes_back(database: str, tmp_path: Path) -> None:
    assert take(database, 1, 2, 3) == 3
    running = Inbox.open(database)
    backup(database, tmp_path / "hub.backup")
    assert (tmp_path / "hub.backup").stat().st_mode & 0o077 == 0
    running.close()
    take(database, 4, 5)
    restore(database, tmp_path / "hub.backup", replace=True)
    assert kept(database) == [1, 2, 3]
    assert take(database, 4) == 4


def test_what_was_acknowledged_after_the_backup_is_shown_as_missing(database: str, tmp_path: Path) -> None:
    """The site forgot 4 to 6 on the hub's word. It sends 7 after 6, hears that the hub holds 3, and begins anew."""
    take(database, 1, 2, 3)
    backup(database, tmp_path / "hub.backup")
    assert take(database, 4, 5, 6) == 6
    restore(database, tmp_path / "hub.backup", replace=True)
    assert take(database, 7, 8) == 3, "never acknowledged on what is not there"
    assert notes(database) == []
    assert take(database, 7, 8, first_previous=0) == 8
    assert [note for note in notes(database) if "3 meldingen ontbreken" in note] != []
    assert kept(database) == [1, 2, 3, 7, 8]


def test_a_database_that_is_not_empty_is_given_up_only_when_asked(database: str, tmp_path: Path) -> None:
    take(database, 1, 2)
    backup(database, tmp_path / "hub.backup")
    take(database, 3)
    with pytest.raises(BackupError, match=r"is not empty \(5 rows\); add --replace"):
        restore(database, tmp_path / "hub.backup", replace=False)
    assert kept(database) == [1, 2, 3]


def test_an_empty_database_takes_a_backup_without_being_asked(database: str, tmp_path: Path) -> None:
    take(database, 1, 2)
    backup(database, tmp_path / "hub.backup")
    engine = sa.create_engine(database)
    schema.metadata.drop_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    engine.dispose()
    restore(database, tmp_path / "hub.backup", replace=False)
    assert kept(database) == [1, 2] and take(database, 3) == 3


def test_nothing_is_restored_beside_a_running_intake(database: str, tmp_path: Path) -> None:
    take(database, 1)
    backup(database, tmp_path / "hub.backup")
    running = Inbox.open(database)
    with pytest.raises(BackupError, match="stop every intake of this hub first"):
        restore(database, tmp_path / "hub.backup", replace=True)
    running.close()
    restore(database, tmp_path / "hub.backup", replace=True)


def test_what_is_no_backup_changes_nothing(database: str, tmp_path: Path) -> None:
    take(database, 1, 2)
    file = tmp_path / "hub.backup"
    with pytest.raises(BackupError, match="cannot be read: No such file"):
        restore(database, file, replace=True)
    for content in (b"", b"anything", b"SQLite format 3\0", b"PGDMP", b"PGDMP" + bytes(500)):
        file.write_bytes(content)
        with pytest.raises(BackupError):
            restore(database, file, replace=True)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE other (one)").connection.close()
    with pytest.raises(BackupError):
        restore(database, tmp_path / "other", replace=True)
    assert kept(database) == [1, 2]


def test_a_backup_does_not_overwrite_another(database: str, tmp_path: Path) -> None:
    take(database, 1)
    (tmp_path / "hub.backup").write_bytes(b"another")
    with pytest.raises(BackupError, match="is there already"):
        backup(database, tmp_path / "hub.backup")
    assert [file.name for file in tmp_path.glob("hub.backup*")] == ["hub.backup"]


def test_both_are_one_command(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take(database, 1, 2)
    toml = tmp_path / "hub.toml"
    toml.write_text(
        f'[hub]\nregion = "{REGION}"\ndatabase = "{database}"\n'
        '[broker]\nhost = "127.0.0.1"\nca_file = "a"\ncertificate_file = "b"\nkey_file = "c"\n'
        '[[site]]\nname = "hap-noord"\ntitle = "Noord"\nkind = "hap"\n'
    )
    file = str(tmp_path / "hub.backup")
    assert main(["hub", "backup", file, "--config", str(toml)]) == 0
    assert main(["hub", "restore", file, "--config", str(toml)]) == 69
    assert "add --replace" in capsys.readouterr().err
    assert main(["hub", "restore", file, "--replace", "--config", str(toml)]) == 0
    assert kept(database) == [1, 2]
