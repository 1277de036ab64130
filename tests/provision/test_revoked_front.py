"""A real Kamailio: a partner whose certificate was revoked gets no connection, as soon as the region says so."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from provision_region import TEMPLATES, Hub, make_region, running_hub, unit, wait_for

from zorgkiosk.lab.ports import free_port
from zorgkiosk.provision.region import provision, revoke
from zorgkiosk.site import trust
from zorgkiosk.site.config import SiteConfig, load_site
from zorgkiosk.site.telephony import front
from zorgkiosk.site.telephony.front import FrontParameters, rpc_socket
from zorgkiosk.site.telephony.front_rpc import FrontRpc
from zorgkiosk.site.telephony.front_trust import FrontTrust, bring
from zorgkiosk.site.telephony.wiring import TriageSite, front_parameters

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
ADDRESS = "127.0.77.1"
WITHIN_S = 40.0


@contextmanager
def running(parameters: FrontParameters) -> Iterator[subprocess.Popen[bytes]]:
    front.write(parameters)
    log = parameters.directory / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(front.command(parameters), stdout=out, stderr=out)
    try:
        until_s = time.monotonic() + WITHIN_S
        while socket.socket().connect_ex((ADDRESS, parameters.tls_port)) != 0:
            assert process.poll() is None and time.monotonic() < until_s, log.read_text(errors="replace")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def let_in(port: int, ca_file: Path, certificate: Path, key: Path) -> bool:
    """Whether the front takes the certificate: it answers a request instead of ending the handshake."""
    try:
        with connection(port, ca_file, certificate, key) as secure:
            return answered(secure)
    except (ssl.SSLError, ConnectionError):
        return False


def connection(port: int, ca_file: Path, certificate: Path, key: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(ca_file))
    context.load_cert_chain(certificate, key)
    context.check_hostname = False
    plain = socket.create_connection((ADDRESS, port), timeout=WITHIN_S)
    try:
        return context.wrap_socket(plain, server_hostname="hap-noord")
    except (ssl.SSLError, ConnectionError):
        plain.close()
        raise


def answered(secure: ssl.SSLSocket) -> bool:
    """Whether the front answers on this connection; False when it has ended it."""
    request = (
        f"OPTIONS sip:{ADDRESS};transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK-1;rport\r\n"
        "From: <sip:hap-zuid@127.0.0.1>;tag=1\r\nTo: <sip:hap-noord@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    secure.sendall(request.encode())
    return secure.recv(4096).startswith(b"SIP/2.0 ")


def speaks(secure: ssl.SSLSocket) -> bool:
    """The same, also of a connection that has ended before: as long as it is asked, it does not end as an idle one."""
    try:
        return answered(secure)
    except (ssl.SSLError, OSError):
        return False


def test_a_revoked_partner_is_refused_by_the_front(tmp_path: Path) -> None:
    region = make_region(tmp_path / "region")
    provision(region, TEMPLATES, datetime.now(UTC))
    site = TriageSite.of(load_site(region / "sites" / "hap-noord" / "site.toml"))
    assert site is not None
    pki = region / "pki"
    port = free_port(ADDRESS)
    parameters = replace(
        front_parameters(site),
        directory=tmp_path / "f",
        address=ADDRESS,
        tls_port=port,
        ca_file=pki / "ca.pem",
        certificate_file=pki / "issued" / "hap-noord.pem",
        key_file=pki / "issued" / "hap-noord.key",
        revoked_file=pki / "crl.pem",
    )
    stolen = [tmp_path / "stolen.pem", tmp_path / "stolen.key"]
    for copy, suffix in zip(stolen, ("pem", "key"), strict=True):
        copy.write_bytes((pki / "issued" / f"hap-zuid.{suffix}").read_bytes())
    (tmp_path / "f").mkdir()
    with running(parameters):
        assert let_in(port, pki / "ca.pem", stolen[0], stolen[1])
    revoke(region, "hap-zuid", TEMPLATES, datetime.now(UTC))
    provision(region, TEMPLATES, datetime.now(UTC))
    fresh = pki / "issued"
    with running(parameters):
        assert not let_in(port, pki / "ca.pem", stolen[0], stolen[1])
        assert let_in(port, pki / "ca.pem", fresh / "hap-zuid.pem", fresh / "hap-zuid.key")


REVOKED_WITHIN_S = 60.0


def triage_centre(hub: Hub) -> Path:
    """A centre's box with ports of its own; its site.toml."""
    file = hub.box("hap-noord")
    text = file.read_text(encoding="utf-8")
    ports = {"sip_port": free_port(ADDRESS), "tls_port": free_port(ADDRESS), "internal_port": free_port()}
    text = re.sub(r"(?m)^(sip_port|tls_port|internal_port) = .*\n", "", text.replace("127.0.11.1", ADDRESS))
    keys = "".join(f"{key} = {port}\n" for key, port in ports.items())
    file.write_text(text.replace("[front]", f"[front]\n{keys}#", 1), encoding="utf-8")
    return file


def hub_toml(hub: Hub) -> Path:
    file, pki = hub.region / "out" / "hub" / "hub.toml", hub.region / "out" / "hub" / "pki"
    file.write_text(
        f'[hub]\nregion = "oost"\ndatabase = "sqlite:///hub.db"\n[broker]\nhost = "127.0.0.1"\nport = {hub.port}\n'
        f'ca_file = "{pki}/ca.pem"\ncertificate_file = "{pki}/hub-intake.pem"\nkey_file = "{pki}/hub-intake.key"\n'
        f'revoked_file = "{hub.region}/broker/revoked.pem"\n[intake]\nport = {free_port()}\n'
        + "".join(f'[[site]]\nname = "{name}"\ntitle = "{name}"\nkind = "hap"\n' for name in ("hap-noord", "hap-zuid")),
        encoding="utf-8",
    )
    return file


def held(config: SiteConfig) -> int:
    """Number of the list that sync keeps; -1 for none."""
    authority = x509.load_pem_x509_certificate(config.hub.ca_file.read_bytes())
    found = trust.newest_list((config.site.data_dir / trust.REVOKED,), authority)
    return -1 if found is None else trust.number_of(found)


def test_a_list_reaches_broker_and_front_by_itself_and_an_older_one_is_refused(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        pki, first = hub.region / "pki", (hub.region / "pki" / "crl.pem").read_bytes()
        stolen = [Path(shutil.copy(pki / "issued" / f"hap-zuid.{kind}", tmp_path)) for kind in ("pem", "key")]
        file = triage_centre(hub)
        config = load_site(file)
        site = TriageSite.of(config)
        assert site is not None and site.front.tls_port != 5061
        parameters = front_parameters(site, revoked_file=bring(config))
        looks = FrontTrust(config, FrontRpc(rpc_socket(parameters), timeout_s=5))

        def refused(certificate: Path, key: Path) -> bool:
            asyncio.run(looks.look())  # what the line's unit does every two seconds
            return not let_in(site.front.tls_port, pki / "ca.pem", certificate, key)

        with unit("intake", hub_toml(hub)) as intake, unit("sync", file) as sync, running(parameters) as kamailio:
            assert not refused(*stolen)
            kept = connection(site.front.tls_port, pki / "ca.pem", *stolen)
            assert speaks(kept)
            revoke(hub.region, "hap-zuid", TEMPLATES, datetime.now(UTC))
            start_s = time.monotonic()
            assert any("revoked.pem" in each for each in hub.install())
            wait_for(lambda: all([refused(*stolen), not speaks(kept)]), "the front refuses who was revoked")
            assert time.monotonic() - start_s < REVOKED_WITHIN_S
            kept.close()
            assert kamailio.poll() is None and intake.alive and sync.alive
            provision(hub.region, TEMPLATES, datetime.now(UTC))
            fresh = pki / "issued" / "hap-zuid.pem"
            assert not refused(fresh, fresh.with_suffix(".key")) and held(config) == 2

            (hub.region / "broker" / "revoked.pem").write_bytes(first)
            wait_for(lambda: "number 1, and number 2 is known" in sync.log.read_text(), "the older list is refused")
            assert held(config) == 2 and refused(*stolen)
        with running(front_parameters(site, revoked_file=bring(config))):
            assert refused(*stolen), "also after the front was started anew"
