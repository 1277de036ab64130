"""The disk that forgets: what survives a cut, and what may be torn."""

import itertools

from volatile import SECTOR_BYTES, Disk, Inode, Resize, Write

SEEDS = range(200)


def after(disk: Disk) -> list[dict[str, bytes]]:
    """What is found after each of many cuts."""
    return [{name: bytes(inode.now) for name, inode in disk.after_cut(seed).names.items()} for seed in SEEDS]


def synced(name: str, content: bytes) -> tuple[Disk, Inode]:
    disk = Disk()
    inode = disk.create(name)
    inode.change(Write(0, content))
    inode.sync()
    disk.sync_names()
    return disk, inode


def test_what_was_synced_with_its_name_is_there_after_every_cut() -> None:
    disk, _ = synced("a", b"kept")
    assert after(disk) == [{"a": b"kept"}] * len(SEEDS)


def test_a_name_whose_directory_was_not_synced_is_forgotten_in_some_cuts_however_well_its_file_was() -> None:
    disk, _ = synced("a", b"kept")
    disk.create("b").change(Write(0, b"new"))
    disk.names["b"].sync()
    found = after(disk)
    assert {len(names) for names in found} == {1, 2}
    assert all(names.get("b", b"new") == b"new" for names in found)


def test_a_rename_is_whole_or_not_there() -> None:
    disk, _ = synced("a", b"kept")
    disk.rename("a", "b")
    assert {tuple(names) for names in after(disk)} == {("a",), ("b",)}


def test_a_removed_file_may_come_back() -> None:
    disk, _ = synced("a", b"kept")
    disk.remove("a")
    assert {tuple(names) for names in after(disk)} == {("a",), ()}


def test_unsynced_writes_are_forgotten_or_torn_at_sectors() -> None:
    disk, inode = synced("a", b"o" * 4 * SECTOR_BYTES)
    inode.change(Write(100, b"n" * 3 * SECTOR_BYTES))
    found = {names["a"] for names in after(disk)}
    assert b"o" * 4 * SECTOR_BYTES in found and len(found) > 5
    for content in found:
        changes = [at for at, (one, two) in enumerate(itertools.pairwise(content), 1) if one != two]
        edges = {100, 100 + 3 * SECTOR_BYTES, *range(SECTOR_BYTES, 4 * SECTOR_BYTES, SECTOR_BYTES)}
        assert set(changes) <= edges and len(content) == 4 * SECTOR_BYTES


def test_a_file_that_was_made_longer_or_shorter_may_be_as_before() -> None:
    disk, inode = synced("a", b"four")
    inode.change(Resize(2))
    inode.change(Resize(6))
    assert {names["a"] for names in after(disk)} >= {b"four", b"fo\0\0\0\0"}


def test_the_same_seed_finds_the_same() -> None:
    disk, inode = synced("a", b"o" * 5000)
    inode.change(Write(0, b"n" * 5000))
    assert after(disk) == after(disk)
