"""The store and power cuts: nothing that was accepted is lost, nothing is invented, and it opens at once."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from cuts import Found, cut

OPENS_WITHIN_S = 2.0
needs_fuse = pytest.mark.skipif(
    not os.access("/dev/fuse", os.R_OK | os.W_OK)
    or shutil.which("fusermount3") is None
    or importlib.util.find_spec("mfusepy") is None,
    reason="a FUSE file system cannot be mounted here: /dev/fuse, Debian's fuse3 and mfusepy are needed",
)


def nothing_wrong(found: Found) -> None:
    assert (found.lost, found.invented, found.halves, found.set_aside, found.ended_badly) == ([], [], [], [], [])
    assert found.slowest_open_s < OPENS_WITHIN_S


@needs_fuse
@pytest.mark.integration
def test_no_power_cut_loses_an_accepted_event(tmp_path: Path) -> None:
    found = cut(tmp_path, cuts=300, within_s=45, seed=1)
    nothing_wrong(found)
    assert found.cuts >= 100 and found.accepted > 5 * found.cuts, "the machine was too slow to prove anything"


@needs_fuse
@pytest.mark.integration
def test_the_cuts_would_find_commits_that_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    found = cut(tmp_path, cuts=40, within_s=30, seed=2, synchronous="NORMAL")
    assert len(found.lost) > 10 and found.accepted > 100


@needs_fuse
@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_thousands_of_power_cuts(tmp_path: Path, seed: int) -> None:
    found = cut(tmp_path, cuts=2000, within_s=540, seed=seed)
    nothing_wrong(found)
    assert found.cuts >= 1000
