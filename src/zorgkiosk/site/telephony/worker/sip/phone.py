"""The dialogs of one caller: INVITEs in and out, and everything the state of the call wants done with them."""

from __future__ import annotations

import logging
import time
from collections import deque

import pjsua2 as pj

from zorgkiosk.site.telephony.worker.headers import ELSEWHERE, Introduction, introduction
from zorgkiosk.site.telephony.worker.settings import SIP_HOST, Settings
from zorgkiosk.site.telephony.worker.signals import (
    Accept,
    Announce,
    Arrived,
    Beep,
    Connect,
    Dial,
    End,
    Fact,
    Farewell,
    Gone,
    Reject,
    SendDigit,
    SipAct,
    TurnedAway,
    Withdraw,
)
from zorgkiosk.site.telephony.worker.sip.account import CODECS, account_config, endpoint_config
from zorgkiosk.site.telephony.worker.sip.audio import Audio
from zorgkiosk.site.telephony.worker.sip.dialog import ALREADY_OVER, Dialog, log_error, order
from zorgkiosk.site.telephony.worker.sip.library import DEAD_MS, Library
from zorgkiosk.site.telephony.worker.watch import SILENCE_S, WAITING_SILENCE_S, Heard

NO_SLOT = 70010
"""PJ_ETOOMANY: all dialogs of the process are taken, perhaps by one that is withdrawn and whose far end is dead."""
SLOT_WAIT_S = DEAD_MS / 1000 + 1
DIALOGS_PER_S = 15
"""A dialog takes two of 64 sockets, which stay taken half a second after its end; the 65th is an abort. The front
lets ten callers a second in at most, and a line may ring again and again a phone that refuses at once."""
CROSSING_S = 0.3
"""A 200 that crosses our CANCEL is here by then; whoever says nothing at all by then is hung up on, to no effect."""
LONGEST_FAREWELL_S = 6.0
ANONYMOUS = "sip:anonymous@anonymous.invalid"
"""RFC 3323 §4.1."""

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


class _Door(pj.Account):  # type: ignore[misc]
    """Takes INVITEs in. The Call object must be made inside the callback, the answer must not be given there."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:  # noqa: N802
        self.phone.arrived(self, prm.callId, introduction(prm.rdata.wholeMsg))

    def onIncomingSubscribe(self, prm: pj.OnIncomingSubscribeParam) -> None:  # noqa: N802
        prm.code = 489


class Phone:
    """The dialogs of one caller by party name. Every method belongs to the thread that called `start`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._facts: deque[Fact] = deque()
        self._stack = _Stack(self._facts)
        self._library = Library()
        self._plain = _Door(self)
        self._partner = _Door(self)
        self._audio = Audio()
        self._dialogs: dict[str, Dialog] = {}
        self._ends: dict[str, tuple[float, End]] = {}
        self._waiting: dict[str, tuple[Dial, float]] = {}
        self._opened: deque[float] = deque(maxlen=DIALOGS_PER_S)
        self._callers = 0
        self._now_s = 0.0

    def start(self) -> None:
        """Bind the SIP port and open both accounts. Raises OSError when the stack cannot start."""
        self._library.silence()
        try:
            self._stack.libCreate()
            self._stack.libInit(endpoint_config())
            self._library.shorten_timers()
            transport = pj.TransportConfig()
            transport.boundAddress, transport.port = SIP_HOST, self._settings.sip_port
            self._stack.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
            self._stack.libStart()
            self._stack.audDevManager().setNoDev()  # else the first call looks for a sound card
            self._open_accounts()
        except pj.Error as error:
            raise OSError(f"SIP on {SIP_HOST}:{self._settings.sip_port} cannot start: {error.reason}") from None

    def _open_accounts(self) -> None:
        for codec in self._stack.codecEnum2():
            self._stack.codecSetPriority(codec.codecId, CODECS.get(codec.codecId, 0))
        self._plain.create(account_config(self._settings, partner=False), True)
        self._partner.create(account_config(self._settings, partner=True), False)
        self._stack.plain_id, self._stack.partner_id = self._plain.getId(), self._partner.getId()

    def poll(self, timeout_ms: int, now_s: float) -> list[Fact]:
        """Wait for the network, at most `timeout_ms`; return what happened, oldest first."""
        self._now_s = now_s
        self._stack.libHandleEvents(timeout_ms)
        self._dial_waiting()
        for at_s, end in list(self._ends.values()):
            if now_s >= at_s:
                self.act(end)
        for name in [name for name, dialog in self._dialogs.items() if dialog.over]:
            self._audio.forget(self._dialogs.pop(name))
            self._ends.pop(name, None)
        self._audio.turn(self._dialogs.values(), now_s)
        facts = list(self._facts)
        self._facts.clear()
        return facts

    def arrived(self, account: _Door, call_id: int, who: Introduction) -> None:
        """Inside the callback: keep the Call object, leave a fact, say nothing yet."""
        self._callers += 1
        self._opened.append(self._now_s)
        party = f"caller/{self._callers}"
        self._dialogs[party] = Dialog(account, party, self._facts, self._library, call_id)
        late_s = 0.0 if who.placed_s is None else time.time() - who.placed_s
        self._facts.append(
            Arrived(party, who.sip_call_id, who.origin, who.hops, who.urgent, who.waited_s, who.protected, late_s)
        )

    def act(self, act: SipAct) -> None:
        """Do it. An act for a dialog that is over does nothing; one that fails ends its dialog."""
        if isinstance(act, Dial):
            self._dial(act, self._now_s + SLOT_WAIT_S)
            return
        if isinstance(act, End | Withdraw) and act.party in self._waiting:
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
            log_error(type(act).__name__, party, error)
            if isinstance(act, Announce | Accept) and error.status not in ALREADY_OVER:
                self.act(End(party))

    def _do(self, act: SipAct, dialog: Dialog) -> None:
        match act:
            case Announce(_, files, repeat_s, now):
                self._audio.open()
                self._audio.hold(dialog, files, repeat_s, now=now)
                if dialog.getInfo().state == pj.PJSIP_INV_STATE_INCOMING:
                    dialog.answer(order(183))
            case Accept():
                self._audio.open()
                dialog.answer(order(200))
            case Reject():
                dialog.hangup(order(act.code, act.reason, act.headers))
            case End(party, elsewhere):
                self._ends.pop(party, None)
                dialog.hangup(order(*(ELSEWHERE if elsewhere else (503, "Service Unavailable"))))
            case Withdraw(party):
                self._ends[party] = self._now_s + CROSSING_S, End(party, elsewhere=True)  # an answer may come even then
                dialog.cancel()
            case Beep(party):
                self._ends[party] = self._now_s + self._audio.beep(dialog), End(party, elsewhere=True)
            case Farewell(party):
                self._ends[party] = self._now_s + self._farewell_s(dialog), End(party)
            case Connect(caller, _):
                if caller in self._dialogs:
                    self._audio.bridge(self._dialogs[caller], dialog)
            case SendDigit(_, digit):
                dialog.dialDtmf(digit)

    def _farewell_s(self, dialog: Dialog) -> float:
        self._audio.part()
        file = self._settings.lost_announcement
        return min(self._audio.say(dialog, str(file)), LONGEST_FAREWELL_S) if file else 0.0

    def heard(self) -> dict[str, Heard]:
        """Packets of both bridged parties, or of the caller who waits."""
        if self._audio.talking:
            found = {dialog.party: dialog.heard(SILENCE_S) for dialog in self._audio.talking}
        elif waiting := self._audio.waiting:
            found = {waiting.party: waiting.heard(WAITING_SILENCE_S)}
        else:
            found = {}
        return {name: heard for name, heard in found.items() if heard is not None}

    def close(self) -> None:
        """Leave the network. Then end the process with `os._exit`: a Call object still alive aborts otherwise."""
        self._stack.libDestroy()

    # --- calling ---

    def _dial(self, act: Dial, until_s: float) -> None:
        if len(self._opened) == DIALOGS_PER_S and self._now_s - self._opened[0] < 1.0:
            self._waiting[act.party] = (act, until_s)
            return
        account = self._partner if act.partner else self._plain
        dialog = Dialog(account, act.party, self._facts, self._library)
        self._dialogs[act.party] = dialog
        self._opened.append(self._now_s)
        request = order(0, headers=act.headers)
        try:
            request.txOption.localUri = self._caller_uri(act.caller)
            dialog.makeCall(act.uri, request)
            self._audio.open()
        except pj.Error as error:
            if dialog.over:  # some failures also report the end of the call, most do not
                return
            del self._dialogs[act.party]
            if error.status == NO_SLOT and self._now_s < until_s:
                self._waiting[act.party] = (act, until_s)
                return
            log_error("Dial", act.party, error)
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
