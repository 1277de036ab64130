"""What `check` looks at beyond the text of site.toml: files, certificates, the region around it.

A unit does not refuse to start for these: staff can still tap while a certificate is renewed. The rules are pure; what
is on disk is read by a few thin functions at the end.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from zorgkiosk.config_file import ConfigError, Problem, Written, read, validate
from zorgkiosk.config_section import UNREAD, Section, UnreadError
from zorgkiosk.config_words import PIN_SCRYPT
from zorgkiosk.site import local_broker
from zorgkiosk.site.config import Hub, Site, SiteConfig
from zorgkiosk.site.panel.pin import guessed
from zorgkiosk.site.telephony.front import faults
from zorgkiosk.site.telephony.wiring import TriageSite, front_parameters
from zorgkiosk.site.trust import REVOKED, newest_list

_PLATES = Path("/etc/zorgkiosk/plates")
SOON = timedelta(days=30)
"""A certificate that ends within this time is worth a warning: renewal has not worked for a month by then."""


def check_site(
    path: Path, now: datetime, region_sites: Collection[str] | None = None, secrets: Path | None = None
) -> tuple[Problem, ...]:
    """Every problem of the file and of what it names; empty when all is well. `region_sites`: the region's names.

    `secrets`: those that go with it, by default the secrets.toml beside it.
    """
    secrets = secrets or path.with_name("secrets.toml")
    try:
        written = read(path, secrets=secrets)
    except ConfigError as error:
        return (*error.found, *_despite(path, error, now))
    try:
        config = validate(SiteConfig, written)
    except ConfigError as error:
        beyond_text = _of_what_could_be_read(error.readable, written, region_sites)
        of_files = (*secrets_problems(secrets), *pin_problems(written), *_files_of_hub(written, now))
        return (*error.found, *of_files, *beyond_text)
    return (
        *secrets_problems(secrets),
        *pin_problems(written),
        *folder_problems(config, written),
        *front_problems(config, written),
        *plates_problems(config, written),
        *file_problems(config.panel, ("panel",), written),
        *_hub_problems(config.hub, config.site, now, written),
        *partner_problems(config, written, region_sites),
    )


def _of_what_could_be_read(
    config: Section | None, written: Written, region_sites: Collection[str] | None
) -> Iterator[Problem]:
    """What a mistake in the text does not hide. The front and the plates' broker are rendered from a whole config."""
    if not isinstance(config, SiteConfig):
        return
    for found in (
        folder_problems(config, written),
        file_problems(config.panel, ("panel",), written),
        partner_problems(config, written, region_sites),
    ):
        with suppress(UnreadError):
            yield from found


def _despite(path: Path, error: ConfigError, now: datetime) -> Iterator[Problem]:
    """What site.toml by itself has wrong while its secrets cannot be read: nothing that asks for a secret."""
    if any(problem.file == path for problem in error.found):
        return
    written = read(path)
    try:
        validate(SiteConfig, written)
    except ConfigError as also:
        yield from (problem for problem in also.found if "secrets.toml" not in problem.sentence)
    yield from _files_of_hub(written, now)


def _files_of_hub(written: Written, now: datetime) -> Iterator[Problem]:
    """The box's certificate and its files, which mistakes elsewhere in the text do not hide."""
    try:
        part = validate(_Identity, replace(written, content=_identity(written.content), secrets=None))
    except ConfigError:
        return  # told already: it stands in these sections
    yield from _hub_problems(part.hub, part.site, now, written)


def _hub_problems(hub: Hub, site: Site, now: datetime, written: Written) -> Iterator[Problem]:
    yield from file_problems(hub, ("hub",), written)
    yield from certificate_problems(hub.certificate_file, site.name, now, ("hub",), written)
    yield from pair_problems(hub, now, written)
    yield from revocation_problems(hub, (site.data_dir / REVOKED, hub.ca_file.with_name(REVOKED)), written)


class _Identity(Section):
    """The two sections that say who this is."""

    site: Site
    hub: Hub


def _identity(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in _Identity.model_fields if name in content}


def secrets_problems(file: Path) -> Iterator[Problem]:
    """Secrets are their owner's; a group may read them where the units are users of one group."""
    if not file.exists():
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o137:
        yield Problem.of_file(file, f"has mode {mode:04o}, wider than it needs: chmod 600 {file}")
    elif mode & 0o040:
        sentence = f"its group can read it (mode {mode:04o}): right only for the group of the units, else chmod 600"
        yield Problem(file, Problem.of_file(file, "").place, "", sentence, "warning")


def pin_problems(written: Written) -> Iterator[Problem]:
    """A PIN that is guessed first: `zorgkiosk pin` makes no hash of one, but another program can."""
    panel = {} if written.secrets is None else written.secrets.content.get("panel")
    stored = panel.get("pin_scrypt") if isinstance(panel, dict) else None
    if isinstance(stored, str) and re.fullmatch(PIN_SCRYPT, stored) and guessed(stored):
        sentence = "is a PIN that everybody tries first: run 'zorgkiosk pin' with another and write its line here"
        yield written.problem(("secrets", "panel", "pin_scrypt"), sentence)


def folder_problems(config: SiteConfig, written: Written) -> Iterator[Problem]:
    """Folders that the units make when they start, where none can be made."""
    for name in ("data_dir", "run_dir"):
        folder: Path = getattr(config.site, name)
        try:
            there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
        except OSError as error:
            yield written.problem(("site", name), f"cannot be a folder ({error.strerror}): write another")
            continue
        if not there.is_dir():
            yield written.problem(("site", name), f"{there} is no folder: write where one is, or can be made")


def front_problems(config: SiteConfig, written: Written) -> Iterator[Problem]:
    """What Kamailio cannot be told, though each key by itself is right: the front is rendered as at its start."""
    site = TriageSite.of(config)
    if site is not None:
        for fault in faults(front_parameters(site)):
            yield written.problem(("front",), fault)


def plates_problems(config: SiteConfig, written: Written) -> Iterator[Problem]:
    """What the site's own broker cannot be told, and its files."""
    if config.local_broker is None:
        return
    yield from file_problems(config.local_broker, ("local_broker",), written)
    try:
        local_broker.render(config, _PLATES)
    except ValueError as error:
        yield written.problem(("local_broker",), str(error))


def file_problems(section: Section, key: tuple[str, ...], written: Written) -> Iterator[Problem]:
    """A `*_file` that is not there or cannot be read. A list of revoked certificates may be made later."""
    for name in type(section).model_fields:
        file = getattr(section, name)
        if name.endswith("_file") and isinstance(file, Path) and (fault := _unreadable(file)):
            told = written.problem((*key, name), f"{file} {fault}: put it there, or write where it is")
            yield replace(told, severity="warning") if name == "revoked_file" and not file.exists() else told
        elif name == "key_file" and isinstance(file, Path) and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o027:
            who = "everybody can read" if mode & 0o007 else "its group can change"
            yield written.problem((*key, name), f"{who} {file}: chmod 600 {file}")


def _unreadable(file: Path) -> str:
    try:
        with file.open("rb"):
            return ""
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def certificate_problems(
    file: Path, name: str | None, now: datetime, key: tuple[str, ...], written: Written
) -> Iterator[Problem]:
    """A certificate that is none, is somebody else's than `name`'s, or ends soon."""
    certificate = read_certificate(file)
    at = (*key, "certificate_file")
    wanted = "the hub's own" if name is None else f"the one that was issued for {name}"
    if certificate is None:
        if not _unreadable(file):
            yield written.problem(at, f"{file} holds no certificate (PEM): copy {wanted}")
        return
    if name is not None and (whose := common_name(certificate)) != name:
        yield written.problem(at, f"{file} is the certificate of '{whose}', not of '{name}': copy the right one")
    yield from _age(certificate, file, now, written, at, "renew it with zorgkiosk provision")


def _age(
    certificate: x509.Certificate, file: Path, now: datetime, written: Written, at: tuple[str, ...], cure: str
) -> Iterator[Problem]:
    ends, starts = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now >= ends:
        yield written.problem(at, f"{file} has expired on {ends:%Y-%m-%d}: {cure}")
    elif now + SOON >= ends:
        sentence = f"{file} expires on {ends:%Y-%m-%d}: {cure}"
        yield written.problem(at, sentence, "warning")
    if now < starts:
        sentence = f"{file} is valid from {starts:%Y-%m-%d %H:%M} UTC only: set the clock, or wait until then"
        yield written.problem(at, sentence)


class Credentials(Protocol):
    """A section that names the three files of one certificate."""

    @property
    def ca_file(self) -> Path: ...
    @property
    def certificate_file(self) -> Path: ...
    @property
    def key_file(self) -> Path: ...


_NEW_AUTHORITY = "begin a new folder for the region, run zorgkiosk provision there, and bring every box its bundle"


def pair_problems(hub: Credentials, now: datetime, written: Written, section: str = "hub") -> Iterator[Problem]:
    """Key and CA that belong to another certificate, and a CA that ends: all that it issued ends with it."""
    if (known := read_certificate(hub.ca_file)) is not None:
        yield from _age(known, hub.ca_file, now, written, (section, "ca_file"), _NEW_AUTHORITY)
    certificate = read_certificate(hub.certificate_file)
    if certificate is None:
        return
    ours = certificate.public_key()
    if not _unreadable(hub.key_file):
        try:
            key = serialization.load_pem_private_key(hub.key_file.read_bytes(), None)
        except (ValueError, TypeError):
            yield written.problem(
                (section, "key_file"), "holds no private key without a password (PEM): copy the one of certificate_file"
            )
        else:
            if key.public_key() != ours:
                yield written.problem(
                    (section, "key_file"), "does not belong to certificate_file: copy both of one pair"
                )
    authority = read_certificate(hub.ca_file)
    if authority is None:
        if not _unreadable(hub.ca_file):
            yield written.problem(
                (section, "ca_file"), f"{hub.ca_file} holds no certificate (PEM): copy the region's CA"
            )
    elif not _issued(authority, certificate):
        sentence = "is not the CA that issued certificate_file: copy both from the same region"
        yield written.problem((section, "ca_file"), sentence)


def revocation_problems(
    hub: Credentials, lists: Iterable[Path], written: Written, section: str = "hub"
) -> Iterator[Problem]:
    """A certificate that stands on the newest list of revoked ones that is here and that the CA has signed."""
    certificate, authority = read_certificate(hub.certificate_file), read_certificate(hub.ca_file)
    if certificate is None or authority is None:
        return
    known = newest_list(lists, authority)
    entry = known and known.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry:
        sentence = f"{hub.certificate_file} is revoked since {entry.revocation_date_utc:%Y-%m-%d}, nobody takes it: "
        cure = "have zorgkiosk provision issue another, and bring this machine its bundle"
        yield written.problem((section, "certificate_file"), sentence + cure)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether the CA's key signed it: another CA may have the same name."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def partner_problems(config: SiteConfig, written: Written, known: Collection[str] | None) -> Iterator[Problem]:
    """An agreement with a site that the region does not have."""
    for number, partner in enumerate(config.partner):
        if known is not None and partner.name is not UNREAD and partner.name not in known:
            sentence = Section.not_one_of("partner", partner.name, sorted(set(known) - {config.site.name}))
            yield written.problem(("partner", number, "name"), sentence)


def read_certificate(file: Path) -> x509.Certificate | None:
    """The first certificate of a PEM file; None when there is none."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None


def common_name(certificate: x509.Certificate) -> str:
    """Who the certificate says it is; empty when it does not say."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
