"""From site.toml to the ports, addresses and files that the front and the workers are started with."""

from __future__ import annotations

from pathlib import Path

from zorgkiosk.site.config import Front, SiteConfig, Telephony
from zorgkiosk.site.telephony.front import FrontParameters, FrontPartner, Phone
from zorgkiosk.site.telephony.pool import WorkerSettings


def front_directory(config: SiteConfig) -> Path:
    """Where the front's rendered configuration and its sockets are."""
    return config.site.run_dir / "front"


def worker_settings(config: SiteConfig, telephony: Telephony, front: Front) -> WorkerSettings:
    return WorkerSettings(
        run_dir=config.site.run_dir,
        first_sip_port=telephony.worker_sip_port,
        first_rtp_port=telephony.worker_rtp_port,
        media_address=str(front.address),
        front=f"127.0.0.1:{front.internal_port}",
    )


def front_parameters(config: SiteConfig, telephony: Telephony, front: Front) -> FrontParameters:
    """The site proves itself to partners with the certificate that it also shows to the hub."""
    workers = worker_settings(config, telephony, front)
    return FrontParameters(
        site=config.site.name,
        directory=front_directory(config),
        address=str(front.address),
        sip_port=front.sip_port,
        tls_port=front.tls_port,
        internal_port=front.internal_port,
        trunk_addresses=tuple(str(network) for network in front.trunk_addresses),
        worker_uris=tuple(workers.sip_uri(number) for number in range(telephony.workers)),
        phones=tuple(Phone(desk.phone, config.secrets.phones[desk.phone]) for desk in config.desk),
        partners=tuple(
            FrontPartner(partner.name, str(partner.address), partner.tls_port) for partner in config.partner
        ),
        ca_file=config.hub.ca_file,
        certificate_file=config.hub.certificate_file,
        key_file=config.hub.key_file,
    )
