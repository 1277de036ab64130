"""Of an archive only plain files and folders are taken, and only below the directory they belong in."""

from __future__ import annotations

import io
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from update_box import deb, raw_deb

from zorgkiosk.care.update import artefact
from zorgkiosk.care.update.artefact import Counted, described, digest, fetch, measured, members, unpack
from zorgkiosk.care.update.manifest import UpdateError, Version

KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
entries = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["..", ".", "a", "b", "", "etc", "ü", "c\n"]), min_size=1, max_size=4).map("/".join),
        st.sampled_from(KINDS),
        st.sampled_from(["a", "..", "/etc/passwd", "../../x"]),
        st.binary(max_size=20),
    ),
    max_size=6,
)


def tar_of(*wanted: tuple[str, bytes, str, bytes], more: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, target, content in wanted:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.pax_headers = kind, target, more or {}
            info.mode = 0o7777
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read(tar: bytes, limit: int = 1 << 20) -> dict[str, bytes | None]:
    found = members(Counted(io.BytesIO(tar), limit))
    return {str(path): None if content is None else b"".join(content) for path, _, content in found}


def test_a_package_of_ours_is_unpacked_as_it_is(tmp_path: Path) -> None:
    file = deb(tmp_path, "0.2.0", program="x" * 1_000_000)
    assert described(file) == (Version(0, 2, 0), "amd64")
    unpack(file, tmp_path / "to", measured(file))
    source = tmp_path / "root-0.2.0" / "usr"
    names = sorted(each.relative_to(source) for each in source.rglob("*"))
    assert names == sorted(each.relative_to(tmp_path / "to/usr") for each in (tmp_path / "to" / "usr").rglob("*"))
    assert (tmp_path / "to/usr/lib/zorgkiosk/program").read_text() == "x" * 1_000_000
    modes = [(tmp_path / "to/usr/lib/zorgkiosk" / name).stat().st_mode & 0o7777 for name in ("fill", "program")]
    assert modes == [0o755, 0o644]


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("../x", tarfile.REGTYPE, "outside its own directory"),
        ("/etc/x", tarfile.REGTYPE, "outside its own directory"),
        ("a/../../x", tarfile.DIRTYPE, "outside its own directory"),
        ("./", tarfile.REGTYPE, "outside its own directory"),
        ("x", tarfile.SYMTYPE, "neither a file nor a folder"),
        ("x", tarfile.LNKTYPE, "neither a file nor a folder"),
        ("x", tarfile.CHRTYPE, "neither a file nor a folder"),
        ("x", tarfile.BLKTYPE, "neither a file nor a folder"),
        ("x", tarfile.FIFOTYPE, "neither a file nor a folder"),
        ("nowhere/x", tarfile.REGTYPE, "without its folder"),
    ],
)
def test_what_could_reach_elsewhere_is_refused_when_it_is_signed_and_when_it_is_installed(
    tmp_path: Path, name: str, kind: bytes, says: str
) -> None:
    file = raw_deb(tmp_path / "x.deb", tar_of((name, kind, "/etc/passwd", b"")))
    for work in (lambda: measured(file), lambda: unpack(file, tmp_path / "to", 1 << 20)):
        with pytest.raises(UpdateError, match=says):
            work()
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["to", "x.deb"]


def test_the_same_file_twice_and_a_file_that_is_a_folder_are_refused() -> None:
    file, folder = ("a", tarfile.REGTYPE, "", b"x"), ("a", tarfile.DIRTYPE, "", b"")
    for wrong in ((file, file), (file, folder), (folder, file), (file, ("a/b", tarfile.REGTYPE, "", b""))):
        with pytest.raises(UpdateError, match="twice, or without its folder"):
            read(tar_of(*wrong))


def test_a_sparse_file_which_grows_on_the_disk_is_refused() -> None:
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1000000000000"}
    with pytest.raises(UpdateError, match="neither a file nor a folder"):
        read(tar_of(("a", tarfile.REGTYPE, "", b"1\n0\n1\n".ljust(512, b"\0") + b"x"), more=sparse))


def test_more_than_was_signed_is_not_unpacked(tmp_path: Path) -> None:
    file = deb(tmp_path, "0.2.0", program="x" * 1_000_000)
    with pytest.raises(UpdateError, match="more than the 1000 bytes"):
        unpack(file, tmp_path / "to", 1000)


def test_more_files_than_a_release_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefact, "MOST_MEMBERS", 3)
    with pytest.raises(UpdateError, match="more than 3 files"):
        read(tar_of(*((str(number), tarfile.REGTYPE, "", b"") for number in range(5))))


def test_a_copy_is_as_long_as_was_signed(tmp_path: Path) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(b"x" * 1000)
    assert (fetch(file, tmp_path / "copy", 1000), 1000) == digest(file)
    with pytest.raises(UpdateError, match="has 1000 of 1001 bytes: it is cut off"):
        fetch(file, tmp_path / "short", 1001)
    with pytest.raises(UpdateError, match="longer than the 999 bytes"):
        fetch(file, tmp_path / "long", 999)


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"\0" * 5000])
def test_what_is_no_package_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.deb"
    file.write_bytes(content)
    with pytest.raises(UpdateError, match="is not a package of zorgkiosk"):
        described(file)
    with pytest.raises(UpdateError, match="damaged"):
        measured(file)


@pytest.mark.long
@given(entries)
@settings(deadline=None)
def test_whatever_an_archive_holds_nothing_is_made_outside(wanted: list[tuple[str, bytes, str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        to = folder / "deep" / "to"
        to.parent.mkdir()
        file = raw_deb(folder / "x.deb", tar_of(*wanted))
        with suppress(UpdateError):
            unpack(file, to, 1 << 20)
        outside = [each for each in folder.rglob("*") if to not in (each, *each.parents)]
        assert sorted(each.name for each in outside) == ["deep", "x.deb"]
        assert not [each for each in to.rglob("*") if each.is_symlink() or not (each.is_file() or each.is_dir())]


@given(st.binary(max_size=3000))
def test_any_bytes_are_an_archive_or_a_sentence(content: bytes) -> None:
    with suppress(UpdateError):
        read(content)


GOOD = tar_of(
    ("a", tarfile.DIRTYPE, "", b""), ("a/b", tarfile.REGTYPE, "", b"x" * 700), ("c" * 150, tarfile.REGTYPE, "", b"")
)


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(GOOD)))
def test_a_damaged_archive_is_an_archive_or_a_sentence(changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(GOOD)
    for at, value in changes:
        content[at] = value
    with suppress(UpdateError):
        read(bytes(content[:cut]))
