"""The panel from the building's network: TLS, the PIN, a session; by real TLS clients."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from panel_screens import PIN, BusyCentre, busy_centre
from playwright.sync_api import expect, sync_playwright
from test_panel_unit import wait_until

from zorgkiosk.lab.authority import Authority
from zorgkiosk.site.panel.web.network import A_SOURCE, ASK_WITHIN_S, THREADS

pytestmark = pytest.mark.integration

ADDRESS, SOURCE, NAME = "127.0.0.2", "127.0.1.1", "paneel.hap-midden.example"
STRANGERS = THREADS + 10


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


def test_who_logs_out_leaves_no_session_behind(client: Client, centre: BusyCentre) -> None:
    client.log_in()
    assert "Afmelden" in client.ask("GET", "/triage/1").text  # type: ignore[attr-defined]
    left = client.ask("POST", "/logout")
    assert (left.status, left.getheader("Location")) == (303, "/login")
    assert "__Host-zorgkiosk=;" in (left.getheader("Set-Cookie") or "")
    assert client.ask("GET", "/triage/1").getheader("Location") == "/login", "a kept cookie opens nothing"
    assert "Afmelden" not in centre.ask("GET", "/triage/1")[1], "nobody logs in at the screen itself"


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


def stranger(centre: BusyCentre, source: str = SOURCE) -> socket.socket:
    return socket.create_connection((ADDRESS, centre.port), timeout=5, source_address=(source, 0))


def quickly_served(client: Client, centre: BusyCentre) -> None:
    begin_s = time.monotonic()
    assert client.ask("GET", "/login").status == 200
    assert centre.ask("GET", "/triage/1")[0] == 200
    assert time.monotonic() - begin_s < 4, "strangers were waited for"


@pytest.mark.parametrize("sources", [1, STRANGERS])
def test_silent_strangers_stop_neither_the_screen_nor_the_network(
    client: Client, centre: BusyCentre, sources: int
) -> None:
    with ExitStack() as stack:
        for number in range(STRANGERS):
            stack.enter_context(stranger(centre, f"127.0.1.{1 + number % sources}"))
        quickly_served(client, centre)


def handshake(client: Client, plain: socket.socket) -> socket.socket:
    return ssl.create_default_context(cafile=str(client.ca_file)).wrap_socket(plain, server_hostname=NAME)


def hello(client: Client) -> bytes:
    """The first words of a handshake."""
    said = ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(client.ca_file))
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=NAME).do_handshake()
    return said.read()


@pytest.mark.parametrize("part", ["handshake", "headers", "body"])
def test_dripping_strangers_stop_neither_the_screen_nor_the_network(
    client: Client, centre: BusyCentre, part: str
) -> None:
    """Each a byte at a time, as long as it is let."""
    words = {
        "handshake": hello(client),
        "headers": b"GET /login HTTP/1.1\r\nHost: " + b"x" * 1_000,
        "body": b"pin=" + b"1" * 90,
    }[part]
    with ExitStack() as stack:
        slow = [stack.enter_context(stranger(centre)) for _ in range(STRANGERS)][:A_SOURCE]
        if part != "handshake":
            slow = [stack.enter_context(handshake(client, each)) for each in slow]
        if part == "body":
            head = f"POST /login HTTP/1.1\r\nHost: {NAME}:{client.port}\r\nOrigin: https://{NAME}:{client.port}\r\n"
            kind = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
            for each in slow:
                each.sendall((head + kind).encode())
        begin_s = time.monotonic()
        for byte in words:
            if not (slow := [each for each in slow if takes(each, bytes([byte]))]):
                break
            if time.monotonic() - begin_s < ASK_WITHIN_S:
                quickly_served(client, centre)
            select.select(slow, [], [], 0.5)
        assert slow == [], "a stranger was let drip"
        assert ASK_WITHIN_S / 2 < time.monotonic() - begin_s < 1.5 * ASK_WITHIN_S


def takes(connection: socket.socket, byte: bytes) -> bool:
    """Whether the panel still listens to it."""
    try:
        connection.sendall(byte)
        connection.setblocking(False)
        return connection.recv(1_000) != b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(5)


def test_one_source_does_not_take_all_places(client: Client, centre: BusyCentre) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(stranger(centre)) for _ in range(A_SOURCE + 1)]
        wait_until(lambda: select.select(held, [], [], 0)[0] == held[-1:])  # the one too many is hung up on
        quickly_served(client, centre)
    wait_until(lambda: still_open(centre))


def still_open(centre: BusyCentre) -> bool:
    """A place of the same source is free again."""
    with stranger(centre) as again:
        return not select.select([again], [], [], 0.3)[0]


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
        page.get_by_role("button", name="Afmelden").click()
        expect(page.get_by_label("Pincode")).to_be_visible()
        expect(page.get_by_role("button", name="Afmelden")).to_have_count(0)
        browser.close()


def test_who_guesses_from_the_network_does_not_lock_the_screen(client: Client, centre: BusyCentre) -> None:
    """The last of this file: the network stays locked for a minute."""
    assert [client.log_in("000000").status for _ in range(5)] == [403] * 5
    assert "wacht" in client.log_in().text and client.cookie == ""  # type: ignore[attr-defined]
    assert centre.tap("/pin/giving/no", f"pin={PIN}") == 303
