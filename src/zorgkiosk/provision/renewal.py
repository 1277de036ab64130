"""`renew`: the boxes' next certificates and the list of revoked ones, over the region's broker. No visit, no key moves.

The provisioner asks every site which certificate it shows. A box answers with a request, signed with its key; where
the certificate ends soon, or a newer one was issued already, it is sent the right one. Nothing waits anywhere: a box
that is away today is asked again tomorrow, for `renew_days` days.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from zorgkiosk.contract.names import ContractError, Message
from zorgkiosk.contract.status import Ask, decode_status, encode_status
from zorgkiosk.contract.topics import Leaf, Topic, every_site, parse
from zorgkiosk.contract.trust import CertificateRequest, IssuedCertificate, RevocationList, packed
from zorgkiosk.hub.broker import PROVISIONER_NAME
from zorgkiosk.provision.authority import Authority, Member, RequestError
from zorgkiosk.provision.log import journal
from zorgkiosk.provision.sources import Sources, load_sources
from zorgkiosk.site.config import Hub
from zorgkiosk.site.sync.uplink import Answered, Closed, MqttUplink, Opened, Received, Uplink

log = logging.getLogger(__name__)

ASK_EVERY_S = 10.0
_POLL_S = 0.05
_DER = serialization.Encoding.DER


class RenewalError(Exception):
    """The region's broker cannot be reached; one sentence says why."""


@dataclass
class Round:
    """Who was asked and what became of it. `now` is one instant for all of them."""

    sources: Sources
    authority: Authority
    now: datetime
    silent: set[str] = field(init=False)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.silent = {name for name in self.sources.sites if self.authority.has(name)}

    def questions(self) -> Iterator[tuple[str, bytes]]:
        """To each site that has not answered: the list as it is, and which certificate it shows."""
        crl = x509.load_pem_x509_crl(self.authority.crl_file.read_bytes()).public_bytes(_DER)
        for name in sorted(self.silent):
            yield self._to(name, "revoked", RevocationList(crl=packed(crl)))
            yield self._to(name, "ask", Ask(certificate=True))

    def answers(self, topic: str, payload: bytes) -> Iterator[tuple[str, bytes]]:
        """What one request is answered with, if anything. The broker's ACL binds the topic to the certificate."""
        try:
            name, asked = parse(topic).site, decode_status(CertificateRequest, payload)
        except ContractError as error:
            log.warning("a request cannot be read: %s", error)
            return
        if name not in self.silent:
            return
        self.silent.discard(name)
        renew_before = timedelta(days=self.sources.region.region.renew_days)
        try:
            issued = self.authority.answer(Member(name), asked, self.now, renew_before)
        except RequestError as error:
            self.said.append(f"{name}: {error}")
            return
        if issued is not None:
            self.said.append(f"{name}: certificate sent, good until {issued.not_valid_after_utc:%Y-%m-%d}")
            yield self._to(name, "certificate", IssuedCertificate(certificate=packed(issued.public_bytes(_DER))))

    def _to(self, site: str, leaf: Leaf, message: Message) -> tuple[str, bytes]:
        return str(Topic(self.sources.region.region.name, site, leaf)), encode_status(message)


def renew(folder: Path, now: datetime, within_s: float) -> list[str]:
    """One round over the broker; a sentence for each site that has news or is silent.

    Raises ConfigError, AuthorityError, RenewalError.
    """
    sources = load_sources(folder)
    with journal(folder) as note:
        authority = Authority.open(folder / "pki", sources.region.region.name, now, note)
        authority.ensure(Member(PROVISIONER_NAME), now)
        authority.ensure_crl(now)
        work = Round(sources, authority, now)
        uplink = MqttUplink(_hub(sources, authority), PROVISIONER_NAME, None, clock_floor=lambda: None)
        try:
            ask(work, uplink, within_s, time.monotonic)
        finally:
            uplink.close()
    return [*work.said, *(f"{name}: did not answer, it is asked again next time" for name in sorted(work.silent))]


def _hub(sources: Sources, authority: Authority) -> Hub:
    certificate, key = authority.files_of(PROVISIONER_NAME)
    return Hub(
        host=sources.region.broker.host,
        port=sources.region.broker.port,
        ca_file=authority.ca_file,
        certificate_file=certificate,
        key_file=key,
    )


def ask(work: Round, uplink: Uplink, within_s: float, now_s: Callable[[], float]) -> None:
    """Until every site has answered and the broker has taken all, or the time is over. Raises RenewalError."""
    region, until_s, next_s, unanswered = work.sources.region.region.name, now_s() + within_s, 0.0, 0
    uplink.open()
    opened = False
    while now_s() < until_s and (work.silent or unanswered or not opened):
        for happening in uplink.poll(_POLL_S):
            match happening:
                case Opened():
                    opened = True
                    uplink.subscribe([every_site(region, "request")])
                case Closed(why):
                    raise RenewalError(f"the region's broker: {why.log}")
                case Answered(code=code) if code >= _REFUSED:
                    raise RenewalError("the region's broker takes nothing from the provisioner: install its new ACL")
                case Answered():
                    unanswered -= 1
                case Received(topic, payload):
                    for answer in work.answers(topic, payload):
                        unanswered += 1
                        uplink.publish(*answer)
        if opened and work.silent and now_s() >= next_s:
            next_s = now_s() + ASK_EVERY_S
            for question in work.questions():
                unanswered += 1
                uplink.publish(*question)
    if not opened:
        raise RenewalError("the region's broker does not answer")


_REFUSED = 0x80
"""MQTT 5.0 §2.4: reason codes from here on are failures."""
