"""The panel from the building's network: TLS, the PIN, a session; by real TLS clients."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from panel_screens import PIN, BusyCentre, busy_centre
from playwright.sync_api import expect, sync_playwright
from test_panel_unit import wait_until

from zorgkiosk.lab.authority import Authority

pytestmark = pytest.mark.integration

ADDRESS, NAME = "127.0.0.2", "paneel.hap-midden.example"
STRANGERS = 4


@dataclass
class Client:
    """Speaks to the network's door under `name`, trusting the region's authority alone."""

    port: int
    ca_file: Path
    name: str = NAME
    cookie: str = ""

    def ask(self, method: str, path: str, form: str | None = None) -> http.client.HTTPResponse:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        raw = socket.create_connection((ADDRESS, self.port), timeout=5)
        connection = http.client.HTTPSConnection(self.name, self.port, timeout=5)
        connection.sock = context.wrap_socket(raw, server_hostname=NAME)
        headers = {"Origin": f"https://{self.name}:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        with closing(connection):
            connection.request(method, path, form, headers | ({"Cookie": self.cookie} if self.cookie else {}))
            answer = connection.getresponse()
            answer.text = answer.read().decode()  # type: ignore[attr-defined]
            return answer

    def log_in(self, pin: str = PIN) -> http.client.HTTPResponse:
        answer = self.ask("POST", "/login", f"pin={pin}")
        self.cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[BusyCentre]:
    certificate, key = authority.issue("hap-midden", dns=(NAME,))
    more = f'address = "{ADDRESS}"\ncertificate_file = "{certificate}"\nkey_file = "{key}"\npin_actions = ["giving"]'
    with busy_centre(tmp_path_factory.mktemp("centre"), more=more) as centre:
        wait_until(lambda: listens(centre.port))
        yield centre


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


@pytest.fixture
def client(centre: BusyCentre, authority: Authority) -> Client:
    return Client(centre.port, authority.ca_file)


@pytest.mark.parametrize("path", ["/", "/triage/1", "/live/triage/1", "/logboek/1", "/pin/giving/no", "/nowhere"])
def test_nothing_is_shown_before_the_pin(client: Client, path: str) -> None:
    answer = client.ask("GET", path)
    assert (answer.status, answer.getheader("Location")) == (303, "/login")
    assert "Werkplek" not in answer.text  # type: ignore[attr-defined]
    assert client.ask("POST", "/tap/desk/desk-1", "present=yes&place=triage/1").getheader("Location") == "/login"
    client.cookie = "__Host-zorgkiosk=guessed"
    assert client.ask("GET", path).status == 303


def test_the_pin_opens_a_session_that_a_browser_keeps_to_itself(client: Client) -> None:
    assert client.log_in("000000").status == 403 and client.cookie == ""
    cookie = client.log_in().getheader("Set-Cookie") or ""
    assert all(each in cookie for each in ("__Host-zorgkiosk=", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    assert "Domain" not in cookie and PIN not in cookie
    assert "Werkplek 1" in client.ask("GET", "/triage/1").text  # type: ignore[attr-defined]
    assert client.ask("POST", "/tap/desk/desk-1", "present=yes&place=triage/1").getheader("Location") == "/triage/1"
    asked = client.ask("POST", "/tap/overflow/giving", "on=no&place=triage/1").getheader("Location")
    assert asked == "/pin/giving/no?place=triage/1", "the session is not the PIN"
    logbook = client.ask("GET", "/logboek/1").text  # type: ignore[attr-defined]
    assert "paneel (netwerk)" in logbook and "Aangemeld via het netwerk" in logbook


def test_only_the_names_of_the_certificate_are_answered(client: Client) -> None:
    client.log_in()
    client.name = "rebound.example"
    assert client.ask("GET", "/triage/1").status == 403


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_the_network_speaks_tls_alone(client: Client, centre: BusyCentre) -> None:
    with socket.create_connection((ADDRESS, centre.port), timeout=5) as plain:
        plain.sendall(b"GET /triage/1 HTTP/1.1\r\nHost: paneel\r\n\r\n")
        assert b"Werkplek" not in plain.recv(4096)
    old = ssl.create_default_context(cafile=str(client.ca_file))
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # else our own library refuses, and the panel is never asked
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((ADDRESS, centre.port), timeout=5) as raw,
        pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"),
    ):
        old.wrap_socket(raw, server_hostname=NAME)


def test_silent_strangers_stop_neither_the_screen_nor_the_network(client: Client, centre: BusyCentre) -> None:
    with ExitStack() as stack:
        for _ in range(STRANGERS):
            stack.enter_context(socket.create_connection((ADDRESS, centre.port), timeout=5))
        begin_s = time.monotonic()
        assert client.ask("GET", "/login").status == 200
        assert centre.ask("GET", "/triage/1")[0] == 200
        assert time.monotonic() - begin_s < 4, "strangers were waited for"


def test_a_colleague_works_live_in_a_browser(centre: BusyCentre) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", f"--host-resolver-rules=MAP {NAME} {ADDRESS}"]
        )
        page = browser.new_context(ignore_https_errors=True, viewport={"width": 800, "height": 480}).new_page()
        page.goto(f"https://{NAME}:{centre.port}/")
        page.get_by_label("Pincode").fill(PIN)
        page.get_by_role("button", name="OK").click()
        desk = page.get_by_role("button", name="Werkplek 3")
        expect(desk).to_have_attribute("aria-pressed", "false")
        assert centre.tap("/tap/desk/desk-3", "present=yes&place=triage/1") == 303  # at the wall
        expect(desk).to_have_attribute("aria-pressed", "true")
        desk.click()
        expect(desk).to_have_attribute("aria-pressed", "false")
        browser.close()
