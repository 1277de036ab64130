"""The web servers: waitress for the screen on loopback; cheroot for the network, since waitress speaks no TLS.

They are servers apart, so whatever happens on the network the screen on the wall goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from flask import Flask
from waitress import create_server  # type: ignore[import-untyped]


def on_loopback(app: Flask, port: int, threads: int) -> Callable[[], None]:
    """Binds at once and returns what serves until the process ends. Raises OSError when the port is taken."""
    server = create_server(
        app,
        host="127.0.0.1",
        port=port,
        threads=threads,
        send_bytes=1,  # live updates are small and must leave at once
        ident="zorgkiosk",
    )
    return server.run  # type: ignore[no-any-return]


def on_network(app: Flask, address: str, port: int, certificate: Path, key: Path) -> Callable[[], None]:
    """What binds and serves, over TLS 1.2 or newer, until the process ends; to be called in a daemon thread.

    Raises OSError for a certificate that cannot be used.
    """
    from zorgkiosk.site.panel.web.network import NetworkServer  # loaded only where the network is served

    return NetworkServer(app, address, port, certificate, key).start


def names_in(certificate: Path) -> frozenset[str]:
    """The hosts a browser accepts the certificate for. Raises OSError and ValueError."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = names.get_values_for_type(x509.DNSName)
    return frozenset({*dns, *(str(address) for address in names.get_values_for_type(x509.IPAddress))})
