"""`zorgkiosk audit`: the journals of a box, written out and verified."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from zorgkiosk.care.audit.export import NoJournalError, export
from zorgkiosk.care.audit.proof import Proof, prove, read_heads
from zorgkiosk.site.config import load_site
from zorgkiosk.site.head_file import HeadFile
from zorgkiosk.site.store import StoreError

EX_OK, EX_FOUND, EX_IOERR = 0, 1, 74
_CONFIG = Path("/etc/zorgkiosk/site.toml")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands of this room, each with `command` set to what runs it."""
    actions = commands.add_parser("audit", help="what was done on this box: write it out, verify that it is whole")
    room = actions.add_subparsers(required=True, metavar="ACTION")
    write = room.add_parser("export", help="every journal with its chain, as JSON Lines")
    write.add_argument(
        "stores", type=Path, nargs="*", metavar="STORE", help="the box's panel.db and care.db by default"
    )
    write.add_argument("--out", type=Path, metavar="FILE", help="a new file (mode 0600); standard output by default")
    write.set_defaults(command=_export)
    proof = room.add_parser("verify", help="say the first row that was altered, taken out or put in; exit code 1 then")
    proof.add_argument("files", type=Path, nargs="*", metavar="FILE", help="an export or a store; the box's by default")
    proof.add_argument("--heads", type=Path, metavar="FILE", help="what `zorgkiosk hub heads` printed at the hub")
    proof.set_defaults(command=_verify)
    for parser in (write, proof):
        parser.add_argument("--config", type=Path, default=_CONFIG, help=f"{_CONFIG} by default")


def _stores(config: Path) -> list[Path]:
    site = load_site(config)
    return [site.panel_db, site.care_db]


def _begun(store: Path) -> bool:
    """Whether there is a journal, or was one: the file beside the store outlives it."""
    return store.exists() or HeadFile(store).path.exists()


def _export(options: argparse.Namespace) -> int:
    try:
        lines = (line for store in options.stores or filter(_begun, _stores(options.config)) for line in export(store))
        if options.out is None:
            for line in lines:
                print(line)
            return EX_OK
        descriptor = os.open(options.out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in lines)
    except (StoreError, OSError) as error:
        print(error, file=sys.stderr)
        return EX_IOERR
    return EX_OK


def _verify(options: argparse.Namespace) -> int:
    try:
        proofs = list(_proofs(options))
    except (StoreError, OSError, NoJournalError) as error:
        print(error, file=sys.stderr)
        return EX_IOERR
    for proof in proofs:
        print(proof)
    return EX_OK if proofs and all(proof.good for proof in proofs) else EX_FOUND


def _proofs(options: argparse.Namespace) -> Iterator[Proof]:
    heads = read_heads(options.heads.read_text(encoding="utf-8").splitlines()) if options.heads else {}
    files = options.files
    if not files:
        panel, care = _stores(options.config)
        files = [store for store in (panel, care) if _begun(store)]
        if panel not in files:  # a panel begins its journal with its first start
            yield Proof(panel.name, False, "there is none: this panel never started, or its journal was removed")
        if care not in files:
            yield Proof(care.name, True, "there is none yet: nothing was done to this box's configuration")
    yield from prove(files, heads)
