"""A manifest is trusted whole or not at all."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from update_box import KEY, TRUSTED

from zorgkiosk.care.update.keys import line_of, load_key, load_trusted, make_key, needs_passphrase
from zorgkiosk.care.update.manifest import Manifest, UpdateError, Version, key_id, signed, verified

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
MANIFEST = Manifest(Version(0, 2, 0), "arm64", "ab" * 32, 123, 456, datetime(2026, 2, 1, 12, tzinfo=UTC))
GOOD = signed(MANIFEST, KEY)
small = st.integers(0, 99_999)
manifests = st.builds(
    Manifest,
    st.builds(Version, small, small, small),
    st.sampled_from(["amd64", "arm64"]),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.integers(0, 10**14),
    st.integers(0, 10**14),
    st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)


@given(manifests)
def test_what_was_signed_is_what_is_read(manifest: Manifest) -> None:
    assert verified(signed(manifest, KEY), TRUSTED) == manifest


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, by: int) -> None:
    changed = bytearray(GOOD)
    changed[at] ^= by
    with pytest.raises(UpdateError):
        verified(bytes(changed), TRUSTED)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
def test_nothing_can_be_cut_off_put_in_or_added(at: int, more: bytes) -> None:
    for wrong in (GOOD[:at], GOOD[:at] + more + GOOD[at:], GOOD + more):
        with pytest.raises(UpdateError):
            verified(wrong, TRUSTED)


@given(st.binary(max_size=2048))
def test_anything_else_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(UpdateError, match="no signed manifest"):
        verified(content, TRUSTED)


def test_a_key_that_is_not_trusted_is_named_with_those_that_are() -> None:
    ids = key_id(OTHER.public_key()), key_id(KEY.public_key())
    with pytest.raises(UpdateError, match=f"key {ids[0]}, which is not trusted here \\(trusted: {ids[1]}\\)"):
        verified(signed(MANIFEST, OTHER), TRUSTED)


def test_another_trusted_key_cannot_lend_its_name() -> None:
    """Signed by one and named after the other: the id chooses the key and is signed too."""
    both = TRUSTED | {key_id(OTHER.public_key()): OTHER.public_key()}
    text = signed(MANIFEST, OTHER).replace(key_id(OTHER.public_key()).encode(), key_id(KEY.public_key()).encode())
    with pytest.raises(UpdateError, match="altered or damaged"):
        verified(text, both)


def test_a_signature_over_the_same_text_for_another_purpose_is_worth_nothing() -> None:
    body = GOOD[: GOOD.index(b"signature: ")]
    bare = body + b"signature: " + base64.b64encode(KEY.sign(body)) + b"\n"
    with pytest.raises(UpdateError, match="altered or damaged"):
        verified(bare, TRUSTED)


def test_a_signed_date_that_is_none_is_refused() -> None:
    body = GOOD[: GOOD.index(b"signature: ")].replace(b"2026-02-01T12", b"2026-02-31T12")
    wrong = body + b"signature: " + base64.b64encode(KEY.sign(b"zorgkiosk update manifest 1\0" + body)) + b"\n"
    with pytest.raises(UpdateError, match="is no date"):
        verified(wrong, TRUSTED)


@pytest.mark.parametrize(
    "text", ["", "1.0", "1.0.0.0", "01.0.0", "1.0.0rc1", "1.0.0\n", "١.٠.٠", "1.0.100000", "-1.0.0"]
)
def test_a_version_is_three_numbers(text: str) -> None:
    with pytest.raises(UpdateError, match="three numbers"):
        Version.parse(text)


def test_versions_are_compared_as_numbers() -> None:
    assert Version.parse("0.9.0") < Version.parse("0.10.0") < Version.parse("1.0.0")
    assert signed(replace(MANIFEST, version=Version.parse("0.10.0")), KEY).splitlines()[1] == b"version: 0.10.0"


def test_a_key_is_made_once_and_its_line_is_trusted(tmp_path: Path) -> None:
    file, trusted = tmp_path / "release.pem", tmp_path / "update-keys"
    line = make_key(file, "releases 2026", b"geheim")
    trusted.write_text(f"# ours\n\n{line}\n{line_of(KEY.public_key(), 'in the safe')}\n")
    trusted.chmod(0o644)
    assert file.stat().st_mode & 0o777 == 0o600 and needs_passphrase(file)
    keys = load_trusted(trusted)
    assert verified(signed(MANIFEST, load_key(file, b"geheim")), keys) == verified(GOOD, keys) == MANIFEST
    for wrong in (b"", b"anders"):
        with pytest.raises(UpdateError, match="not its passphrase"):
            load_key(file, wrong)
    with pytest.raises(UpdateError, match="is not written over"):
        make_key(file, "again", b"")


def test_a_file_of_trusted_keys_that_others_can_write_trusts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "update-keys"
    file.write_text(line_of(KEY.public_key(), "ours"))
    file.chmod(0o664)
    with pytest.raises(UpdateError, match="others than its owner can write it"):
        load_trusted(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abc\n", "update-keys:1: is no trusted key"),
        ("\n0123456789abcdef AAAA\n", "update-keys:2: is no trusted key"),
        (line_of(KEY.public_key(), "").replace(key_id(KEY.public_key()), "0" * 16), "copy the line again"),
        ("\udcff", "is not text"),
        (None, "no key is trusted, so no update is"),
    ],
)
def test_a_file_of_trusted_keys_that_is_not_right_trusts_nothing(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "update-keys"
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        file.chmod(0o644)
    with pytest.raises(UpdateError, match=says):
        load_trusted(file)
