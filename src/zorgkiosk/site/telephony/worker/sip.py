"""SIP and audio of one caller. The only importer of pjsua2 in the product.

One thread does it all: `poll` runs the stack, whose callbacks do no more than leave a fact; `act` runs from the loop.
The stack has abort()s behind several innocent orders of calls, so the shape of this file is the product of measuring.
A part of a binding's object dies with the whole: hold `info = call.getInfo()` while reading `info.media[0]`.
"""

from __future__ import annotations

import ctypes
import logging
from collections import deque

import pjsua2 as pj

from zorgkiosk.site.telephony.worker.headers import Introduction, introduction
from zorgkiosk.site.telephony.worker.settings import RTP_PORTS, SIP_HOST, Settings
from zorgkiosk.site.telephony.worker.signals import (
    Accept,
    Announce,
    Arrived,
    Connect,
    Dial,
    Dialled,
    Digit,
    End,
    Fact,
    Gone,
    PickedUp,
    Reject,
    Ringing,
    SendDigit,
    TurnedAway,
)
from zorgkiosk.site.telephony.worker.watch import Heard

SipAct = Announce | Accept | Reject | End | Dial | Connect | SendDigit

CLOCK_HZ = 8000
DEAD_MS = 4000
"""Timer B, F and H (RFC 3261 §17): no answer at all for this long. Ringing is not limited by it."""
SESSION_S = 90
"""Session-Expires (RFC 4028): the other end clears a call whose worker died."""
SRTP_SUITES = ("AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80")
ALREADY_OVER = (171140, 70004, 70006)
"""PJSIP_ESESSIONTERMINATED, PJ_EINVAL, PJ_ENOTFOUND: what a call says whose far end was faster."""

NO_SLOT = 70010
"""PJ_ETOOMANY: all dialogs of the process are taken, perhaps by one that is withdrawn and whose far end is dead."""
SLOT_WAIT_S = DEAD_MS / 1000 + 1
DIALOGS_PER_S = 15
"""A dialog takes two of 64 sockets, which stay taken half a second after its end; the 65th is an abort. The front
lets ten callers a second in at most, and a line may ring again and again a phone that refuses at once."""
ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""RFC 3323 §4.1."""

_RUNNING = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)

log = logging.getLogger(__name__)


class _Stack(pj.Endpoint):  # type: ignore[misc]
    """The library, with the two questions it asks before there is a call."""

    def __init__(self, facts: deque[Fact]) -> None:
        super().__init__()
        self.facts = facts
        self.plain_id = self.partner_id = 0

    def onSelectAccount(self, prm: pj.OnSelectAccountParam) -> None:  # noqa: N802
        protected = introduction(prm.rdata.wholeMsg).protected
        prm.accountIndex = self.partner_id if protected else self.plain_id

    def onRejectedIncomingCall(self, prm: pj.OnRejectedIncomingCallParam) -> None:  # noqa: N802
        who = introduction(prm.rdata.wholeMsg)
        self.facts.append(TurnedAway(who.sip_call_id, who.origin, who.hops, who.urgent, who.waited_s))


class _Dialog(pj.Call):  # type: ignore[misc]
    """One SIP dialog, the caller's or a leg's."""

    def __init__(self, account: pj.Account, party: str, facts: deque[Fact], call_id: int = -1) -> None:
        super().__init__(account, call_id)
        self.party = party
        self.facts = facts
        self.over = False
        self.audio_changed = False

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802, ARG002
        info = self.getInfo()
        match info.state:
            case pj.PJSIP_INV_STATE_CALLING:
                self.facts.append(Dialled(self.party, info.callIdString))
            case pj.PJSIP_INV_STATE_EARLY if info.role == pj.PJSIP_ROLE_UAC:
                self.facts.append(Ringing(self.party))
            case pj.PJSIP_INV_STATE_CONFIRMED:
                self.facts.append(PickedUp(self.party))
            case pj.PJSIP_INV_STATE_DISCONNECTED:
                # The late destructor would hang up whichever call took this slot by then (pjproject #3856).
                self.thisown = False
                self.over = True
                self.facts.append(Gone(self.party, info.lastStatusCode, info.lastReason))

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802, ARG002
        self.audio_changed = True

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:  # noqa: N802
        self.facts.append(Digit(self.party, prm.digit))

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:  # noqa: N802
        prm.statusCode = 603  # followed by default: it dials whatever the far end says

    def onCallReplaceRequest(self, prm: pj.OnCallReplaceRequestParam) -> None:  # noqa: N802
        prm.statusCode = 603

    def audio(self) -> pj.AudioMedia | None:
        """The audio port while media runs; a new one after every re-INVITE."""
        try:
            info = self.getInfo()
            running = len(info.media) > 0 and info.media[0].status in _RUNNING
            return self.getAudioMedia(0) if running else None
        except pj.Error as error:
            _log_error("audio", self.party, error)
            return None

    def heard(self) -> Heard | None:
        """Packets that came so far, or None when the dialog has no stream."""
        try:
            info = self.getInfo()
            if self.over or not len(info.media) or info.media[0].status == pj.PJSUA_CALL_MEDIA_NONE:
                return None
            statistics = self.getStreamStat(0)
        except pj.Error as error:
            _log_error("statistics", self.party, error)
            return None
        media = info.media[0]
        running = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE and media.dir & pj.PJMEDIA_DIR_DECODING
        return Heard(statistics.rtcp.rxStat.pkt + statistics.rtcp.txStat.updateCount, expected=bool(running))


class _Door(pj.Account):  # type: ignore[misc]
    """Takes INVITEs in. The Call object must be made inside the callback, the answer must not be given there."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        self.phone.arrived(self, prm.callId, introduction(prm.rdata.wholeMsg))

    def onIncomingSubscribe(self, prm: pj.OnIncomingSubscribeParam) -> None:  # noqa: N802
        prm.code = 489


class _Announcement:
    """A WAV file, from the start every `repeat_s`, silence between."""

    def __init__(self, wav: str, repeat_s: float) -> None:
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(wav, pj.PJMEDIA_FILE_NO_LOOP)
        port = self.player.getPortInfo()
        self.every_s = max(repeat_s, self.player.getInfo().sizeSamples / port.format.clockRate)
        self.next_s: float | None = None

    def turn(self, now_s: float) -> None:
        if self.next_s is None:
            self.next_s = now_s + self.every_s
        elif now_s >= self.next_s:
            self.player.setPos(0)
            self.next_s = now_s + self.every_s


class Phone:
    """The dialogs of one caller by party name. Every method belongs to the thread that called `start`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._facts: deque[Fact] = deque()
        self._stack = _Stack(self._facts)
        self._plain = _Door(self)
        self._partner = _Door(self)
        self._dialogs: dict[str, _Dialog] = {}
        self._bridge: tuple[str, str] | None = None
        self._announced: str | None = None
        self._announcement: _Announcement | None = None
        self._waiting: dict[str, tuple[Dial, float]] = {}
        self._opened: deque[float] = deque(maxlen=DIALOGS_PER_S)
        self._callers = 0
        self._sound = False
        self._now_s = 0.0

    def start(self) -> None:
        """Bind the SIP port and open both accounts. Raises OSError when the stack cannot start."""
        library = ctypes.CDLL(pj._pjsua2.__file__)
        library.pj_log_set_level(0)  # libCreate would print before libInit brings its log settings
        try:
            self._stack.libCreate()
            self._stack.libInit(_endpoint_config())
            # No pjsua2 setting reaches these timers; without it a dead far end keeps its slot for 32 s.
            library.pjsip_tsx_set_timers(500, DEAD_MS, 5000, DEAD_MS)
            transport = pj.TransportConfig()
            transport.boundAddress, transport.port = SIP_HOST, self._settings.sip_port
            self._stack.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
            self._stack.libStart()
            self._open_accounts()
        except pj.Error as error:
            raise OSError(f"SIP on {SIP_HOST}:{self._settings.sip_port} cannot start: {error.reason}") from None

    def _open_accounts(self) -> None:
        for codec in self._stack.codecEnum2():
            priority = {"PCMA/8000/1": 255, "PCMU/8000/1": 254}.get(codec.codecId, 0)
            self._stack.codecSetPriority(codec.codecId, priority)
        self._plain.create(_account_config(self._settings, partner=False), True)
        self._partner.create(_account_config(self._settings, partner=True), False)
        self._stack.plain_id, self._stack.partner_id = self._plain.getId(), self._partner.getId()

    def poll(self, timeout_ms: int, now_s: float) -> list[Fact]:
        """Wait for the network, at most `timeout_ms`; return what happened, oldest first."""
        self._now_s = now_s
        self._stack.libHandleEvents(timeout_ms)
        self._dial_waiting()
        for name in [name for name, dialog in self._dialogs.items() if dialog.over]:
            self._forget(name)
        if any(dialog.audio_changed for dialog in self._dialogs.values()):
            self._wire()
        if self._announcement:
            self._announcement.turn(now_s)
        facts = list(self._facts)
        self._facts.clear()
        return facts

    def arrived(self, account: _Door, call_id: int, who: Introduction) -> None:
        """Inside the callback: keep the Call object, leave a fact, say nothing yet."""
        self._callers += 1
        self._opened.append(self._now_s)
        party = f"caller/{self._callers}"
        self._dialogs[party] = _Dialog(account, party, self._facts, call_id)
        self._facts.append(
            Arrived(party, who.sip_call_id, who.origin, who.hops, who.urgent, who.waited_s, who.protected)
        )

    def act(self, act: SipAct) -> None:
        """Do it. An act for a dialog that is over does nothing; one that fails ends its dialog."""
        if isinstance(act, Dial):
            self._dial(act, self._now_s + SLOT_WAIT_S)
            return
        if isinstance(act, End) and act.party in self._waiting:
            del self._waiting[act.party]
            self._facts.append(Gone(act.party, 487, "not called yet"))
            return
        party = act.leg if isinstance(act, Connect) else act.party
        dialog = self._dialogs.get(party)
        if dialog is None or dialog.over:
            return
        try:
            self._do(act, dialog)
        except pj.Error as error:
            _log_error(type(act).__name__, party, error)
            if isinstance(act, Announce | Accept) and error.status not in ALREADY_OVER:
                self.act(End(party))

    def _do(self, act: SipAct, dialog: _Dialog) -> None:
        match act:
            case Announce(party, wav, repeat_s):
                self._announce(dialog, party, wav, repeat_s)
            case Accept():
                self._open_sound()
                dialog.answer(_order(200))
            case Reject(_, code, reason, retry_after_s):
                headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
                dialog.hangup(_order(code, reason, headers))
            case End():
                dialog.hangup(_order(503, "Service Unavailable"))
            case Connect(caller, leg):
                self._bridge = (caller, leg)
                self._wire()
            case SendDigit(_, digit):
                dialog.dialDtmf(digit)

    def heard(self) -> dict[str, Heard]:
        """Packets of both bridged parties; empty when no two are bridged."""
        found = {name: self._dialogs[name].heard() for name in self._bridge or () if name in self._dialogs}
        return {name: heard for name, heard in found.items() if heard is not None}

    def close(self) -> None:
        """Leave the network. Then end the process with `os._exit`: a Call object still alive aborts otherwise."""
        self._stack.libDestroy()

    # --- audio ---

    def _open_sound(self) -> None:
        """The clock of the audio bridge; it costs 1 % of a core. The stack stops it one second after a call and
        starts it again by itself; opening it twice would stop the sound of all for 20 ms."""
        if not self._sound:
            self._stack.audDevManager().setNullDev()
            self._sound = True

    def _announce(self, dialog: _Dialog, party: str, wav: str, repeat_s: float) -> None:
        self._open_sound()
        try:
            self._announcement = _Announcement(wav, repeat_s)
        except pj.Error as error:
            log.error("announcement %s cannot be played (%s); the caller hears silence", wav, error.reason)
            self._announcement = None
        self._announced = party
        if dialog.getInfo().state == pj.PJSIP_INV_STATE_INCOMING:
            dialog.answer(_order(183))
        self._wire()

    def _wire(self) -> None:
        """Bring the audio bridge in line with who should hear whom. Connecting twice is harmless."""
        for dialog in self._dialogs.values():
            dialog.audio_changed = False
        try:
            if self._bridge:
                self._announcement = None
                self._join(*self._bridge)
            elif self._announcement and self._announced in self._dialogs:
                caller = self._dialogs[self._announced].audio()
                if caller:
                    self._announcement.player.startTransmit(caller)
        except pj.Error as error:  # the next change of media comes here again
            _log_error("audio", str(self._bridge or self._announced), error)

    def _join(self, caller: str, leg: str) -> None:
        if caller in self._dialogs and leg in self._dialogs:
            one, other = self._dialogs[caller].audio(), self._dialogs[leg].audio()
            if one and other:
                one.startTransmit(other)
                other.startTransmit(one)

    # --- dialogs ---

    def _dial(self, act: Dial, until_s: float) -> None:
        if len(self._opened) == DIALOGS_PER_S and self._now_s - self._opened[0] < 1.0:
            self._waiting[act.party] = (act, until_s)
            return
        dialog = _Dialog(self._partner if act.partner else self._plain, act.party, self._facts)
        self._dialogs[act.party] = dialog
        self._opened.append(self._now_s)
        order = _order(0, headers=dict(act.headers))
        try:
            self._open_sound()
            order.txOption.localUri = self._caller_uri(act.caller)
            dialog.makeCall(act.uri, order)
        except pj.Error as error:
            if dialog.over:  # some failures also report the end of the call, most do not
                return
            del self._dialogs[act.party]
            if error.status == NO_SLOT and self._now_s < until_s:
                self._waiting[act.party] = (act, until_s)
                return
            _log_error("Dial", act.party, error)
            self._facts.append(Gone(act.party, 503, "cannot be called"))

    def _dial_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for act, until_s in waiting.values():
            self._dial(act, until_s)

    def _caller_uri(self, caller: str) -> str:
        """The caller's own From, name and number, so that the far end sees who calls. It is in no log and no event."""
        uri = str(self._dialogs[caller].getInfo().remoteUri) if caller in self._dialogs else ""
        try:
            uri.encode()
        except UnicodeEncodeError:  # an old PBX writes names in Latin-1, which the binding reads but cannot write
            uri = uri.encode(errors="surrogateescape").decode("latin-1")
        # The stack puts a remark in the place of an address of more than 255 bytes, and takes the remark for one.
        return uri if any(scheme in uri for scheme in ("sip:", "sips:", "tel:")) else ANONYMOUS

    def _forget(self, name: str) -> None:
        del self._dialogs[name]
        if name == self._announced:
            self._announced = self._announcement = None
        if self._bridge and name in self._bridge:
            self._bridge = None


def _order(code: int, reason: str = "", headers: dict[str, str] | None = None) -> pj.CallOpParam:
    order = pj.CallOpParam(True)
    order.statusCode, order.reason = code, reason
    order.opt.audioCount, order.opt.videoCount = 1, 0
    for name, value in (headers or {}).items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        order.txOption.headers.append(header)
    return order


def _endpoint_config() -> pj.EpConfig:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = 4
    config.uaConfig.userAgent = "Zorgkiosk"
    config.logConfig.level = config.logConfig.consoleLevel = 0  # its error lines contain SIP addresses
    config.logConfig.msgLogging = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = CLOCK_HZ
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    return config


def _account_config(settings: Settings, *, partner: bool) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = settings.sip_uri
    config.sipConfig.proxies.append(f"sip:{settings.front};lr")
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerSessExpiresSec = config.callConfig.timerMinSESec = SESSION_S
    media = config.mediaConfig
    media.transportConfig.boundAddress = settings.media_address
    media.transportConfig.port, media.transportConfig.portRange = settings.rtp_port, RTP_PORTS - 2
    media.srtpSecureSignaling = 0  # the front does TLS on the last hop
    media.srtpUse = pj.PJMEDIA_SRTP_MANDATORY if partner else pj.PJMEDIA_SRTP_DISABLED
    if partner:
        media.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
        for name in SRTP_SUITES:
            media.srtpOpt.cryptos.append(_suite(name))
    return config


def _suite(name: str) -> pj.SrtpCrypto:
    suite = pj.SrtpCrypto()
    suite.name = name
    return suite


def _log_error(what: str, party: str, error: pj.Error) -> None:
    if error.status in ALREADY_OVER:
        log.debug("%s for %s came too late", what, party)
    else:
        log.warning("%s for %s failed: %s (%d)", what, party, error.reason, error.status)
