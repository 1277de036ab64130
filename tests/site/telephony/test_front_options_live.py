"""What a box's doctor hears from a real front, as whoever it is: a trunk, a partner, a stranger."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from datetime import datetime

import front_bench
import pytest
from front_bench import Bench

from zorgkiosk.care.sip_options import over_tls, over_udp
from zorgkiosk.site.telephony.front import LINE_SILENT_S

pytest_plugins = ["front_fixtures"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
BRANCH = "0011223344556677"


def test_a_real_kamailio_answers_a_trunk_and_a_partner_and_meets_a_stranger_with_silence(bench: Bench) -> None:
    host, port = bench.outside
    good, told = over_udp(host, port, front_bench.TRUNK, BRANCH)
    assert good and told == "answers 503", told  # no worker is ready: it is there, and says so
    bench.worker(0)
    assert over_udp(host, port, front_bench.TRUNK, "another") == (True, "answers 200")
    assert over_udp(host, port, front_bench.STRANGER, "strange", within_s=1) == (False, "no answer in 1 s")


def test_while_no_line_lives_nobody_is_told_that_calls_can_be_placed(bench: Bench) -> None:
    """A worker without a line refuses every caller; who asks first should not have to find that out with a caller."""
    trunk, partner = bench.caller(), bench.partner(front_bench.GOOD)
    bench.worker(0)
    assert (bench.options(trunk).code, bench.options(partner).code) == (200, 200)
    bench.line_lives(for_s=1)
    deadline = time.monotonic() + 5
    while (told := bench.options(trunk)).code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert told.start == "SIP/2.0 503 No line" and bench.options(partner).code == 503
    asyncio.run(bench.rpc.line_is_here())
    assert bench.options(trunk).code == 200
    expires = datetime.fromisoformat(bench.ask("htable.get", "line", "here")["item"]["expire"])
    assert LINE_SILENT_S - 2 <= expires.timestamp() - time.time() <= LINE_SILENT_S + 1
    bench.line_lives()


def test_a_real_kamailio_answers_a_partner_over_tls_and_ends_a_stranger(bench: Bench) -> None:
    def ask(name: str) -> tuple[bool, str]:
        context = bench._context(ssl.PROTOCOL_TLS_CLIENT, name, None)
        raw = socket.create_connection((bench.parameters.address, bench.parameters.tls_port), timeout=5)
        with context.wrap_socket(raw, server_hostname=bench.parameters.site) as secure:
            return over_tls(secure, bench.parameters.site, f"tls-{name}", within_s=2)

    good, told = ask(front_bench.GOOD)
    assert good and told == "answers 503", told
    good, told = ask("hap-onbekend")
    assert not good, told
