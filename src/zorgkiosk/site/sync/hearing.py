"""What comes in from the hub and the partners, as messages of the contract."""

from __future__ import annotations

from collections.abc import Collection

from zorgkiosk.contract import topics
from zorgkiosk.contract.names import ContractError
from zorgkiosk.contract.status import Ack, Ask, PartnerStates, SiteState, decode_status
from zorgkiosk.contract.topics import Topic
from zorgkiosk.contract.trust import IssuedCertificate, RevocationList

Heard = Ack | PartnerStates | Ask | SiteState | RevocationList | IssuedCertificate


def subscriptions(region: str, site: str, partners: Collection[str]) -> list[str]:
    """The topics a site reads: what the hub says to it and the `state` of its partners."""
    own = [str(Topic(region, site, leaf)) for leaf in topics.HEARD_BY_SITE]
    return own + [str(Topic(region, partner, "state")) for partner in partners]


def read(region: str, site: str, partners: Collection[str], topic: str, payload: bytes) -> Heard:
    """The message. Raises ContractError for what is unreadable, or speaks for another than its topic says."""
    match topics.parse(topic):
        case Topic(region=about, site=name, leaf="state") if about == region and name in partners:
            state = decode_status(SiteState, payload)
            if (state.region, state.site) != (region, name):
                raise ContractError("name", f"state on the topic of {name} speaks for {state.region}/{state.site}")
            return state
        case Topic(region=about, site=name, leaf="ack") if (about, name) == (region, site):
            return decode_status(Ack, payload)
        case Topic(region=about, site=name, leaf="partners") if (about, name) == (region, site):
            return decode_status(PartnerStates, payload)
        case Topic(region=about, site=name, leaf="ask") if (about, name) == (region, site):
            return decode_status(Ask, payload)
        case Topic(region=about, site=name, leaf="revoked") if (about, name) == (region, site):
            return decode_status(RevocationList, payload)
        case Topic(region=about, site=name, leaf="certificate") if (about, name) == (region, site):
            return decode_status(IssuedCertificate, payload)
        case _:
            raise ContractError("topic", f"topic {topic[:80]!r} is not one this site reads")
