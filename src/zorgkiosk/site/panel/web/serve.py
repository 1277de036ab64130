"""The web servers: waitress for the screen on loopback; cheroot for the network, since waitress speaks no TLS.

cheroot is CherryPy's server: pure Python, few dependencies, TLS by the standard library's `ssl`. It is a server of its
own, so whatever happens on the network the screen on the wall goes on.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from flask import Flask
from waitress import create_server  # type: ignore[import-untyped]

SILENT_S = 10
"""So long a stranger may say nothing, and then loses the connection."""

log = logging.getLogger(__name__)


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


def on_network(app: Flask, address: str, port: int, threads: int, certificate: Path, key: Path) -> Callable[[], None]:
    """What binds and serves, over TLS 1.2 or newer, until the process ends; to be called in a daemon thread.

    Raises OSError for a certificate that cannot be used.
    """
    from cheroot.ssl.builtin import BuiltinSSLAdapter  # loaded only where the network is served
    from cheroot.wsgi import Server

    class Adapter(BuiltinSSLAdapter):
        def wrap(self, sock: Any) -> tuple[Any, dict[str, str]]:
            """cheroot would shake hands in the thread that accepts, where one silent stranger stops everybody."""
            wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    class NetworkServer(Server):
        def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG002
            """Of strangers who hang up or speak no TLS; the first line is enough."""
            log.info("network: %s", msg.partition("\n")[0][:200])

    server = NetworkServer((address, port), app, numthreads=threads, server_name="zorgkiosk", timeout=SILENT_S)
    server.ssl_adapter = Adapter(str(certificate), str(key))
    server.ssl_adapter.context.minimum_version = ssl.TLSVersion.TLSv1_2
    return server.start


def names_in(certificate: Path) -> frozenset[str]:
    """The hosts a browser accepts the certificate for. Raises OSError and ValueError."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = names.get_values_for_type(x509.DNSName)
    return frozenset({*dns, *(str(address) for address in names.get_values_for_type(x509.IPAddress))})
