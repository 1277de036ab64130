"""Real phones on loopback: they call each other, a registrar, a server that plays early media, and nobody."""

from __future__ import annotations

import asyncio
import audioop
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zorgkiosk.lab import tone
from zorgkiosk.lab.handset import (
    Handset,
    HandsetDiedError,
    HandsetError,
    NoSuchEventError,
    NotHeardError,
    Registration,
)

pytestmark = pytest.mark.integration

ANNOUNCEMENT = Path(__file__).parents[2] / "firmware_config" / "announcements" / "wachten.wav"
CALLER, DESK, OTHER, SERVER = "127.9.1.1", "127.9.1.2", "127.9.1.3", "127.9.1.4"


def free_port(address: str) -> int:
    """An even one, as RTP wants (RFC 3550 §11)."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port % 2 == 0:
            return port


async def phone(address: str, tone_hz: int, user: str, registration: Registration | None = None) -> Handset:
    return await Handset.start(
        user,
        address=address,
        tone_hz=tone_hz,
        port=free_port(address),
        rtp_port=free_port(address),
        user=user,
        registration=registration,
    )


async def hears_as_spoken(listener: Handset, hz: int) -> None:
    """Until a whole window is as loud as the far end speaks: frames that came late on a busy machine are silence."""
    async with asyncio.timeout(5):
        while (await listener.hears({hz}))[hz] != pytest.approx(tone.SPOKEN_DB, abs=1):
            pass


def test_two_phones_call_and_hear_each_other() -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "0201234567") as caller, await phone(DESK, 530, "desk1") as desk:
            await desk.answers(after_s=0.3)
            await caller.call(desk.uri, {"X-Zorg-Test": "one"})
            incoming = await desk.wait_for("incoming")
            assert incoming.details["uri"] == f"<sip:0201234567@{CALLER}>"
            assert incoming.details["headers"]["x-zorg-test"] == "one"
            assert incoming.details["headers"]["session-expires"] == "90"
            ringing = await caller.wait_for("ringing")
            connected = await caller.wait_for("connected")
            assert 0.28 < connected.at_s - ringing.at_s < 0.6
            await hears_as_spoken(caller, 530)
            await hears_as_spoken(desk, 440)
            await hold_and_come_back(caller, desk)
            await caller.press("1")
            assert (await desk.wait_for("dtmf")).details == {"digit": "1"}
            await desk.hang_up()
            assert (await desk.wait_for("ended")).details["by"] == "self"
            assert (await caller.wait_for("ended")).details["by"] == "peer"

    asyncio.run(scene())


async def hold_and_come_back(caller: Handset, desk: Handset) -> None:
    await desk.hold()
    await caller.wait_for("media", state="remote-hold")
    await caller.hears_silence()
    await desk.unhold()
    await caller.hears({530})
    await desk.hears({440})


def test_what_a_phone_does_not_hear_is_said_in_the_error() -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "caller") as caller, await phone(DESK, 530, "desk1") as desk:
            with pytest.raises(NotHeardError, match=r"desk1 should hear silence.*no media"):
                await desk.hears_silence(timeout_s=0)
            await desk.answers()
            await caller.call(desk.uri)
            await caller.hears({530})
            with pytest.raises(NotHeardError, match=r"should hear 632 Hz, .*last was: 530 Hz at -1\d\.\d dB"):
                await caller.hears({632}, timeout_s=0)
            with pytest.raises(NotHeardError):
                await caller.hears({530, 632}, timeout_s=0)
            with pytest.raises(NotHeardError, match="silence"):
                await caller.hears_silence(timeout_s=0)
            with pytest.raises(NoSuchEventError, match=r"no 'ended code=200' in 0\.1 s.*connected"):
                await caller.wait_for("ended", timeout_s=0.1, code=200)

    asyncio.run(scene())


def test_refused_withdrawn_and_busy() -> None:
    async def scene() -> None:
        async with (
            await phone(CALLER, 440, "caller") as caller,
            await phone(DESK, 530, "desk1") as desk,
            await phone(OTHER, 632, "other") as other,
        ):
            await desk.rejects(480)
            await caller.call(desk.uri)
            assert (await caller.wait_for("ended")).details["code"] == 480
            await desk.lets_ring()
            await caller.call(desk.uri)
            await caller.wait_for("ringing")
            await other.call(desk.uri)
            assert (await other.wait_for("ended")).details["code"] == 486
            await caller.hang_up()
            assert (await desk.wait_for("ended", code=487)).details["by"] == "peer"
            with pytest.raises(HandsetError, match="desk1 cannot pick_up: there is no call"):
                await desk.pick_up()
            desk.forget()
            await other.call(desk.uri)
            await desk.wait_for("incoming")
            await desk.pick_up()
            await other.hears({530})
            with pytest.raises(HandsetError, match="in a call already"):
                await desk.call(caller.uri)

    asyncio.run(scene())


def test_a_far_end_that_swallows_packets_costs_four_seconds() -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "caller") as caller, await phone(DESK, 530, "desk1") as desk:
            desk.freeze()
            await caller.call(desk.uri)
            called = await caller.wait_for("calling")
            ended = await caller.wait_for("ended", timeout_s=8)
            assert ended.details["code"] == 408
            assert 3.5 < ended.at_s - called.at_s < 5

    asyncio.run(scene())


def test_a_dead_phone_shows_its_last_words_and_leaves_no_process() -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "caller") as caller:
            port = int(caller.uri.rpartition(":")[2])
            with pytest.raises(HandsetDiedError, match="Address already in use"):
                await Handset.start("twin", address=CALLER, tone_hz=530, port=port)
            await caller.crash()
            with pytest.raises(HandsetDiedError, match="caller: its phone has ended with -9"):
                await caller.call("sip:desk@127.9.1.2")
            pid = caller.pid
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(scene())


def test_a_stopped_phone_hangs_up_first() -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "caller") as caller:
            async with await phone(DESK, 530, "desk1") as desk:
                await desk.answers()
                await caller.call(desk.uri)
                await caller.hears({530})
                pid = desk.pid
            assert (await caller.wait_for("ended", timeout_s=1)).details["by"] == "peer"
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    asyncio.run(scene())


def test_a_line_that_is_no_command_is_told_and_nothing_else_happens() -> None:
    command = [sys.executable, "-m", "zorgkiosk.lab.phone", "--address", CALLER, "--tone-hz", "440"]
    command += ["--port", str(free_port(CALLER)), "--rtp-port", str(free_port(CALLER))]
    lines = '{broken\n[]\n{"do": "fly", "number": 7}\n{"do": "hang_up", "number": 8}\n{"do": "quit", "number": 9}\n'
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=10, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["event"], event.get("number")) for event in said] == [
        ("ready", None),
        ("problem", None),
        ("problem", None),
        ("problem", 7),
        ("problem", 8),
        ("done", 9),
    ]
    assert said[3]["sentence"] == 'not a command of a phone: {"do": "fly"}'


class Announcer:
    """A SIP server of one INVITE: 183 with SDP, then the announcement as RTP (RFC 3550, PCMA is payload type 8)."""

    def __init__(self, sip: socket.socket, rtp: socket.socket) -> None:
        self.sip = sip
        self.rtp = rtp
        self.stopped = threading.Event()

    def serve(self) -> None:
        invite, far = self.sip.recvfrom(4096)
        self.sip.sendto(self.progress(invite.decode()), far)
        media_port = int(invite.decode().partition("m=audio ")[2].split()[0])
        payload = audioop.lin2alaw(tone.read_wav(ANNOUNCEMENT)[1600:].tobytes(), 2)
        begin_s = time.monotonic()
        for number, at in enumerate(range(0, len(payload) - 160, 160)):
            head = bytes([0x80, 8]) + number.to_bytes(2) + at.to_bytes(4) + b"zorg"
            self.rtp.sendto(head + payload[at : at + 160], (far[0], media_port))
            if self.stopped.wait(max(0.0, begin_s + number * 0.02 - time.monotonic())):
                return

    def progress(self, invite: str) -> bytes:
        kept = [line for line in invite.split("\r\n") if line.startswith(("Via:", "From:", "Call-ID:", "CSeq:", "To:"))]
        kept = [line + ";tag=announcer" if line.startswith("To:") else line for line in kept]
        address, port = self.rtp.getsockname()
        sdp = f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
        contact = f"Contact: <sip:{address}:{self.sip.getsockname()[1]}>"
        head = ["SIP/2.0 183 Session Progress", *kept, contact, "Content-Type: application/sdp"]
        return "\r\n".join([*head, f"Content-Length: {len(sdp)}", "", sdp]).encode()


@pytest.fixture
def announcer() -> Iterator[Announcer]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp,
    ):
        sip.bind((SERVER, 0))
        sip.settimeout(10)
        rtp.bind((SERVER, 0))
        server = Announcer(sip, rtp)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        server.stopped.set()
        thread.join()


def test_an_announcement_in_early_media_is_heard_as_speech(announcer: Announcer) -> None:
    async def scene() -> None:
        async with await phone(CALLER, 440, "caller") as caller:
            await caller.call(f"sip:hap@{SERVER}:{announcer.sip.getsockname()[1]}")
            await caller.wait_for("early")
            await caller.wait_for("media", state="active")
            heard = await caller.hears_speech()
            assert heard.tones == {}

    asyncio.run(scene())


REGISTRAR = """
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
listen=udp:{address}:{port}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("registrar", "min_expires", 60)
modparam("registrar", "max_expires", 120)
request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("hap-noord", "geheim", "0")) {{ www_challenge("hap-noord", "1"); exit; }}
        save("location");
        exit;
    }}
    if (has_totag()) {{ loose_route(); t_relay(); exit; }}
    record_route();
    if (!lookup("location")) {{ sl_send_reply("404", "Not here"); exit; }}
    t_relay();
}}
"""


@pytest.fixture
def registrar(tmp_path: Path) -> Iterator[str]:
    """Host and port of a Kamailio that knows any user with the password `geheim`."""
    port = free_port(SERVER)
    config = tmp_path / "kamailio.cfg"
    config.write_text(REGISTRAR.format(address=SERVER, port=port))
    command = ["kamailio", "-DD", "-E", "-f", str(config), "-Y", str(tmp_path), "-P", str(tmp_path / "pid")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            wait_until_it_answers(port, server, tmp_path / "log")
            yield f"{SERVER}:{port}"
        finally:
            server.terminate()


def wait_until_it_answers(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((SERVER, 0))
        probe.connect((SERVER, port))
        probe.settimeout(0.2)
        via, ask = f"SIP/2.0/UDP {SERVER}:{probe.getsockname()[1]}", f"OPTIONS sip:x@{SERVER}:{port} SIP/2.0"
        names = f"From: <sip:t@{SERVER}>;tag=t\r\nTo: <sip:x@{SERVER}>\r\nCall-ID: t\r\nCSeq: 1 OPTIONS"
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s and server.poll() is None:
            try:
                probe.send(f"{ask}\r\nVia: {via};branch=z9hG4bKt\r\n{names}\r\nContent-Length: 0\r\n\r\n".encode())
                probe.recv(4096)
                return
            except ConnectionRefusedError:
                time.sleep(0.02)  # nobody listens yet
            except TimeoutError:
                continue
    pytest.fail(f"the registrar does not answer:\n{log.read_text()}")


def test_a_desk_phone_registers_with_digest_and_is_called_there(registrar: str) -> None:
    async def scene() -> None:
        registration = Registration(f"sip:desk1@{registrar}", "geheim", "hap-noord")
        desk_phone = await phone(DESK, 530, "desk1", registration)
        async with await phone(CALLER, 440, "caller") as caller:
            async with desk_phone as desk:
                assert 60 <= desk.history[-1].details["expires_s"] <= 120
                await desk.answers()
                await caller.call(desk.uri)
                await caller.hears({530})
                await desk.hears({440})
            await caller.wait_for("ended")
            await caller.call(desk.uri)
            assert (await caller.wait_for("ended")).details["code"] == 404, "stop takes the registration back"

    asyncio.run(scene())


def test_a_wrong_password_is_told(registrar: str) -> None:
    async def scene() -> None:
        registration = Registration(f"sip:desk1@{registrar}", "fout", "hap-noord")
        with pytest.raises(NoSuchEventError, match=r"registered code=40[13]"):
            await Handset.start(
                "desk1",
                address=DESK,
                tone_hz=530,
                port=free_port(DESK),
                rtp_port=free_port(DESK),
                registration=registration,
                timeout_s=3,
            )

    asyncio.run(scene())
