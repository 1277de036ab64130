"""A box with two directories in a folder of this machine, and releases for it."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zorgkiosk.care.apply import Bounds
from zorgkiosk.care.update import artefact
from zorgkiosk.care.update.manifest import Manifest, key_id, signed
from zorgkiosk.care.update.slots import Slots
from zorgkiosk.care.update.steps import Box

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {key_id(KEY.public_key()): KEY.public_key()}
AT_ONCE = Bounds(within_s=0.01, settled_s=0.0)
FILL = '#!/bin/sh\nset -e\nmkdir "$1/bin"\ncp "$3/zorgkiosk/program" "$1/bin/zorgkiosk"\nchmod 755 "$1/bin/zorgkiosk"\n'
PROGRAM = "#!/bin/sh\nexit 0\n"


def deb(folder: Path, version: str, fill: str = FILL, program: str = PROGRAM, architecture: str = "amd64") -> Path:
    """A package with a script that fills a directory, as ours has; built by Debian's own tool."""
    root = folder / f"root-{version}"
    lib = root / "usr" / "lib" / "zorgkiosk"
    (lib / "wheels").mkdir(parents=True)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        f"Package: zorgkiosk\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: x <x@localhost>\n"
        "Description: x\n"
    )
    (lib / "fill").write_text(fill)
    (lib / "fill").chmod(0o755)
    (lib / "program").write_text(program)
    file = folder / f"zorgkiosk_{version}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", str(root), str(file)], check=True, capture_output=True)
    return file


def raw_deb(file: Path, tar: bytes) -> Path:
    """A package around any tar at all, which Debian's tool would not make (ar, deb(5))."""
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w"):
        pass
    with file.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in ((b"debian-binary", b"2.0\n"), (b"control.tar", control.getvalue()), (b"data.tar", tar)):
            out.write(b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(content)))
            out.write(content + b"\n" * (len(content) % 2))
    return file


def sign(file: Path, key: Ed25519PrivateKey = KEY) -> Path:
    """Sign it as `zorgkiosk update sign` does."""
    version, architecture = artefact.described(file)
    manifest = Manifest(version, architecture, *artefact.digest(file), artefact.measured(file), NOW)
    file.with_name(file.name + ".signed").write_bytes(signed(manifest, key))
    return file


@dataclass
class Running:
    """Units that run as long as the version in force is one that works; they remember what they were started from."""

    slots: Slots
    broken: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def version(self) -> str:
        return str(self.slots.release(self.slots.running()))

    def restart(self) -> None:
        self.started.append(self.version())

    def stop(self) -> None: ...

    def start(self) -> None: ...

    def active(self) -> frozenset[str]:
        return frozenset() if self.version() in self.broken else frozenset({"zorgkiosk-intake"})


def box(folder: Path, version: str = "0.1.0") -> tuple[Box, Running]:
    """A hub's machine with one version in `a`, as the package's installation leaves it."""
    home = folder / "opt"
    (home / "a" / "bin").mkdir(parents=True)
    (home / "a" / "release").write_text(f"{version}\n")
    program = home / "a" / "bin" / "zorgkiosk"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    for link in ("current", "good"):
        (home / link).symlink_to("a")
    slots = Slots(home)
    units = Running(slots)
    return Box(slots, folder / "etc" / "site.toml", units, "amd64"), units
