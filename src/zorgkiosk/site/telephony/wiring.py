"""From site.toml to the ports, addresses and files that the front and the workers are started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zorgkiosk.site import trust
from zorgkiosk.site.config import SiteConfig
from zorgkiosk.site.config_telephony import Announcements, Front, Telephony
from zorgkiosk.site.telephony.front import FrontParameters, FrontPartner, Phone
from zorgkiosk.site.telephony.pool import WorkerSettings


def front_directory(config: SiteConfig) -> Path:
    """Where the front's rendered configuration and its sockets are.

    Beside `run_dir`, which all units of the site write: whoever may change what the front reads, or speaks to its
    socket, has the site's key and its calls. On a box it is the front's own, and the line's to enter.
    """
    return config.site.run_dir.with_name(f"{config.site.run_dir.name}-front")


def revoked_file(config: SiteConfig) -> Path:
    """The list of revoked certificates that the front reads; the line brings it."""
    return _from_the_line(config) / trust.REVOKED


def restart_file(config: SiteConfig) -> Path:
    """Where this is, the front is to be started anew (`zorgkiosk-front-restart.path`)."""
    return _from_the_line(config) / "restart"


def _from_the_line(config: SiteConfig) -> Path:
    """The one folder of the front's that the line may write."""
    return front_directory(config) / "line"


@dataclass(frozen=True)
class TriageSite:
    """The sections that a site with a waiting line has, and none of them None."""

    config: SiteConfig
    telephony: Telephony
    front: Front
    announcements: Announcements

    @classmethod
    def of(cls, config: SiteConfig) -> TriageSite | None:
        """None for a site that takes no calls."""
        if config.telephony is None or config.front is None or config.announcements is None:
            return None
        return cls(config, config.telephony, config.front, config.announcements)


def worker_settings(site: TriageSite) -> WorkerSettings:
    return WorkerSettings(
        run_dir=site.config.site.run_dir,
        first_sip_port=site.telephony.worker_sip_port,
        first_rtp_port=site.telephony.worker_rtp_port,
        media_address=str(site.front.address),
        front=f"127.0.0.1:{site.front.internal_port}",
        lost_announcement=site.announcements.folder / site.announcements.lost,
        recycle_after_calls=site.telephony.recycle_after_calls,
    )


def front_parameters(site: TriageSite, revoked_file: Path | None = None) -> FrontParameters:
    """The site proves itself to partners with the certificate that it also shows to the hub.

    `revoked_file`: where the front reads who was revoked (`front_trust.bring`).
    """
    workers, config, front = worker_settings(site), site.config, site.front
    extensions = [desk.extension for desk in config.desk] + [site.telephony.last_resort]
    exchange = None if front.exchange_address is None else (str(front.exchange_address), front.exchange_port)
    return FrontParameters(
        site=config.site.name,
        directory=front_directory(config),
        address=str(front.address),
        sip_port=front.sip_port,
        tls_port=front.tls_port,
        internal_port=front.internal_port,
        trunk_addresses=tuple(str(network) for network in front.trunk_addresses),
        worker_uris=tuple(workers.sip_uri(number) for number in range(site.telephony.workers)),
        phones=tuple(Phone(user, config.secrets.phones[user]) for user in phones(config)),
        partners=tuple(
            FrontPartner(partner.name, str(partner.address), partner.tls_port) for partner in config.partner
        ),
        ca_file=config.hub.ca_file,
        certificate_file=config.hub.certificate_file,
        key_file=config.hub.key_file,
        exchange=exchange,
        extensions=tuple(sorted({each for each in extensions if each is not None})),
        revoked_file=revoked_file,
    )


def phones(config: SiteConfig) -> list[str]:
    """Users of the desk phones that register at the front."""
    return [desk.phone for desk in config.desk if desk.phone is not None]
