"""The pjsua2 side of a simulated phone: its endpoint, account, call, mouth, ear. `phone.Phone` is the loop around it.

What pjsua2 2.15.1 needs to live: one thread, callbacks that only translate and enqueue, a finished call that is never
destroyed, its own bound address in the SDP, no sound device outside calls.
"""

from __future__ import annotations

import collections
import ctypes
import time
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from zorgkiosk.lab import tone

FRAME_US = 20_000
SILENT_FRAME = bytes(2 * tone.RATE_HZ * FRAME_US // 1_000_000)
SESSION_EXPIRES_S = 90
REGISTER_S = 90
MEDIA_STATES = {0: "none", 1: "active", 2: "local-hold", 3: "remote-hold", 4: "error"}  # pjsua_call_media_status


@dataclass(frozen=True)
class Setup:
    """What a phone is told at its start. `register` is the address of record, also its From; empty: no registration."""

    address: str
    port: int
    rtp_port: int
    tone_hz: int
    user: str
    register: str
    realm: str
    password: str


@dataclass(frozen=True)
class Happening:
    """What a callback saw. `call` is the pjsua2 call it is about, if any."""

    event: str
    at_s: float
    details: dict[str, Any]
    call: PhoneCall | None = None


Happenings = collections.deque[Happening]


class Ear(pj.AudioMediaPort):  # type: ignore[misc]
    """Collects the sound that is played to it, in the media clock's thread; a deque needs no lock."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: collections.deque[bytes] = collections.deque()
        self.open = False

    def onFrameReceived(self, frame: Any) -> None:  # noqa: N802
        if self.open:
            self.blocks.append(bytes(frame.buf) if frame.size else SILENT_FRAME)


class PhoneCall(pj.Call):  # type: ignore[misc]
    def __init__(self, account: PhoneAccount, happenings: Happenings, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.happenings = happenings
        self.incoming = call_id != pj.PJSUA_INVALID_ID
        self.ended_by = "peer"

    def note(self, event: str, **details: Any) -> None:
        self.happenings.append(Happening(event, time.monotonic(), details, self))

    def onCallState(self, prm: Any) -> None:  # noqa: ARG002, N802
        info = self.getInfo()
        match info.state:
            case pj.PJSIP_INV_STATE_CALLING:
                self.note("calling")
            case pj.PJSIP_INV_STATE_EARLY if not self.incoming:
                self.note("early" if info.lastStatusCode == 183 else "ringing")
            case pj.PJSIP_INV_STATE_CONFIRMED:
                self.note("connected")
            case pj.PJSIP_INV_STATE_DISCONNECTED:
                # Destroying it later would hang up the new call in the same slot (pjproject #3856).
                self.thisown = False
                self.note("ended", code=info.lastStatusCode, reason=info.lastReason, by=self.ended_by)

    def onCallMediaState(self, prm: Any) -> None:  # noqa: ARG002, N802
        info = self.getInfo()  # kept by name: its media list is freed with it
        states = [media.status for media in info.media if media.type == pj.PJMEDIA_TYPE_AUDIO]
        self.note("media", state=MEDIA_STATES.get(states[0], "error") if states else "none")

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802
        self.note("dtmf", digit=prm.digit)

    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802
        prm.statusCode = 603  # by default pjsua2 would dial whatever a REFER names

    def onCallRedirected(self, prm: Any) -> int:  # noqa: N802
        self.note("redirected", target=prm.targetUri)
        return int(pj.PJSIP_REDIRECT_REJECT)


class PhoneAccount(pj.Account):  # type: ignore[misc]
    def __init__(self, happenings: Happenings) -> None:
        super().__init__()
        self.happenings = happenings

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        details = {"code": prm.code, "expires_s": prm.expiration}
        self.happenings.append(Happening("registered", time.monotonic(), details))

    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        call = PhoneCall(self, self.happenings, prm.callId)
        call.note("incoming", uri=call.getInfo().remoteUri, headers=headers_of(prm.rdata.wholeMsg))


def headers_of(message: str) -> dict[str, str]:
    """The headers of a SIP message, names in lower case; of a repeated one the first (RFC 3261 §7.3)."""
    head = message.replace("\r\n", "\n").partition("\n\n")[0].split("\n")[1:]
    pairs = [line.partition(":") for line in head if ":" in line]
    return {name.strip().lower(): value.strip() for name, _, value in reversed(pairs)}


def operation(code: int = 0, headers: dict[str, str] | None = None) -> Any:
    parameters = pj.CallOpParam(True)
    parameters.statusCode = code
    for name, value in (headers or {}).items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        parameters.txOption.headers.append(header)
    return parameters


def answer(call: PhoneCall, code: int) -> None:
    call.answer(operation(code))


def start_endpoint(setup: Setup) -> Any:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 1
    config.medConfig.hasIoqueue = False  # RTP is then read by libHandleEvents, in our one thread
    config.medConfig.threadCnt = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = tone.RATE_HZ
    config.medConfig.noVad = True
    endpoint.libInit(config)
    # Timer B (RFC 3261 §17.1.1.2) 4 s instead of 32: a far end that is gone must not hold this phone for long.
    ctypes.CDLL(pj._pjsua2.__file__).pjsip_tsx_set_timers(500, 4000, 5000, 4000)
    transport = pj.TransportConfig()
    transport.port = setup.port
    transport.boundAddress = transport.publicAddress = setup.address
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNoDev()  # the null device costs CPU: it runs during calls only
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMA/") else 0)
    return endpoint


def start_account(setup: Setup, account: PhoneAccount) -> None:
    config = pj.AccountConfig()
    config.idUri = setup.register or f"sip:{setup.user}@{setup.address}"
    if setup.register:
        config.regConfig.registrarUri = "sip:" + setup.register.partition("@")[2]
        config.regConfig.timeoutSec = REGISTER_S
        config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 2
        config.regConfig.randomRetryIntervalSec = 0
        config.regConfig.unregWaitMsec = 300
        user = setup.register.removeprefix("sip:").partition("@")[0]
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", setup.realm, user, 0, setup.password))
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerSessExpiresSec = config.callConfig.timerMinSESec = SESSION_EXPIRES_S
    config.mediaConfig.transportConfig.port = setup.rtp_port
    config.mediaConfig.transportConfig.portRange = 16
    config.mediaConfig.transportConfig.boundAddress = setup.address
    config.mediaConfig.transportConfig.publicAddress = setup.address
    account.create(config)


def start_mouth(tone_hz: int) -> Any:
    mouth = pj.ToneGenerator()
    mouth.createToneGenerator(tone.RATE_HZ, 1)
    note = pj.ToneDesc()
    note.freq1, note.freq2, note.off_msec = tone_hz, 0, 0
    note.on_msec = 30_000  # whole periods of any whole frequency: the loop has no click
    note.volume = round(tone.FULL_SCALE * 10 ** (tone.SPOKEN_DB / 20))
    notes = pj.ToneDescVector()
    notes.append(note)
    mouth.play(notes, True)
    return mouth


def start_ear() -> Ear:
    form = pj.MediaFormatAudio()
    form.init(pj.PJMEDIA_FORMAT_PCM, tone.RATE_HZ, 1, FRAME_US, 16)
    ear = Ear()
    ear.createPort("ear", form)
    return ear
