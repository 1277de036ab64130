"""What the hub and the partners said, put where the other units read it."""

from __future__ import annotations

from zorgkiosk.contract.names import ContractError
from zorgkiosk.contract.status import Ack, Ask, PartnerStates, SiteState
from zorgkiosk.contract.trust import IssuedCertificate, RevocationList
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.store import Store
from zorgkiosk.site.sync import hearing
from zorgkiosk.site.sync.certificates import Certificates
from zorgkiosk.site.sync.health import Health
from zorgkiosk.site.sync.partners import Partners
from zorgkiosk.site.sync.relay import Relay
from zorgkiosk.site.sync.uplink import Received


class Inbox:
    """Reads each message once; keeps acks and partners in sync.db, what is about certificates in files."""

    def __init__(
        self, config: SiteConfig, store: Store, partners: Partners, health: Health, certificates: Certificates
    ) -> None:
        self._site = config.site
        self._names = frozenset(partner.name for partner in config.partner)
        self._store = store
        self._partners = partners
        self._health = health
        self._certificates = certificates
        self._acks: list[Ack] = []
        self._asked = False

    def topics(self) -> list[str]:
        return hearing.subscriptions(self._site.region, self._site.name, sorted(self._names))

    def hear(self, received: Received, now_s: float) -> None:
        """Read one message; what cannot be read is counted. Raises StoreError."""
        try:
            heard = hearing.read(self._site.region, self._site.name, self._names, received.topic, received.payload)
        except ContractError as error:
            self._health.happened("unreadable-message", str(error), now_s)
            return
        match heard:
            case Ack():
                self._acks.append(heard)
            case Ask(certificate=True):
                self._certificates.asked()
            case Ask():
                self._asked = True
            case RevocationList():
                self._certificates.heard_list(heard, now_s)
            case IssuedCertificate():
                self._certificates.heard_certificate(heard, now_s)
            case PartnerStates():
                self._partners.remembered(heard)
            case SiteState():
                self._partners.heard(heard)

    def take_asked(self) -> bool:
        asked, self._asked = self._asked, False
        return asked

    def take_request(self) -> bytes | None:
        """The request for a certificate to send, if the provisioner asked."""
        return self._certificates.take_request()

    def keep_acks(self, relay: Relay, now_s: float) -> None:
        """Store the acks that are news, for the owners of the rows to prune by; prune our own. Raises StoreError."""
        acks, self._acks = self._acks, []
        news = relay.take(acks, now_s) if acks else []
        if not news:
            return
        with self._store.transaction() as change:
            for ack in news:
                change.put(f"acked/{ack.stream}", ack.model_dump(mode="json"))
        for ack in news:
            if ack.stream == self._store.stream:
                self._store.prune(ack.epoch, ack.up_to)

    def save_partners(self, now_s: float) -> None:
        self._partners.save(now_s)
