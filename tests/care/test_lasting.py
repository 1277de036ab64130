"""Which folders of a read-only system are forgotten, from the mounts as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zorgkiosk.care.lasting import forgotten, lies_in_memory

OVERLAYROOT = """\
/dev/mmcblk0p2 /media/root-ro ext4 ro,relatime 0 0
tmpfs-root /media/root-rw tmpfs rw,relatime 0 0
overlayroot / overlay rw,relatime,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay 0 0
/dev/mmcblk0p1 /boot/firmware vfat rw,relatime 0 0
"""
DATA = """\
/dev/sda1 /data ext4 rw,noatime 0 0
/dev/sda1 /var/lib/zorgkiosk ext4 rw,noatime 0 0
/dev/sda1 /etc/with\\040space ext4 rw,noatime 0 0
"""
PLAIN = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n"
CONTAINER = "overlay / overlay rw,lowerdir=/srv/layers/a,upperdir=/srv/layers/b 0 0\ntmpfs /run tmpfs rw 0 0\n"
AGAIN = DATA + "overlay /var/lib/zorgkiosk overlay rw,lowerdir=/x,upperdir=/media/root-rw/y,workdir=/z 0 0\n"


@pytest.mark.parametrize(
    ("path", "mounts", "is_forgotten"),
    [
        ("/var/lib/zorgkiosk", OVERLAYROOT, True),
        ("/etc/zorgkiosk", OVERLAYROOT + DATA, True),
        ("/var/lib/zorgkiosk", OVERLAYROOT + DATA, False),
        ("/var/lib/zorgkiosk-care", OVERLAYROOT + DATA, True),
        ("/etc/with space/file", OVERLAYROOT + DATA, False),
        ("/boot/firmware/zorgkiosk.tar", OVERLAYROOT, False),
        ("/var/lib/zorgkiosk", PLAIN, False),
        ("/run/zorgkiosk", PLAIN, False),
        ("/var/lib/zorgkiosk", CONTAINER, False),
        ("/var/lib/zorgkiosk", OVERLAYROOT + AGAIN, True),
        ("/var/lib/zorgkiosk", "", False),
    ],
)
def test_what_an_overlay_keeps_in_memory_is_forgotten(path: str, mounts: str, is_forgotten: bool) -> None:
    assert lies_in_memory(Path(path), mounts) is is_forgotten


def test_the_sentence_says_where_and_what_to_do(tmp_path: Path) -> None:
    assert forgotten(tmp_path) == ""
    told = tmp_path / "mounts"
    told.write_text(f"tmpfs {tmp_path}/rw tmpfs rw 0 0\no {tmp_path} overlay rw,upperdir={tmp_path}/rw/up 0 0\n")
    lasting = tmp_path / "rw"  # a tmpfs that somebody mounted
    assert forgotten(lasting, tmp_path / "etc", mounts=told) == (
        f"{tmp_path}/etc lies in memory and is forgotten when the power goes: "
        "firmware_config/boot/README.md, Read-only system, says how it is put on a partition that lasts"
    )
