"""One SIP dialog, the caller's or a leg's, and what is said in it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

import pjsua2 as pj

from zorgkiosk.site.telephony.worker.headers import is_elsewhere
from zorgkiosk.site.telephony.worker.signals import Dialled, Digit, Fact, Gone, PickedUp, Ringing
from zorgkiosk.site.telephony.worker.sip.library import Library
from zorgkiosk.site.telephony.worker.watch import Heard

ALREADY_OVER = (171140, 70004, 70006)
"""PJSIP_ESESSIONTERMINATED, PJ_EINVAL, PJ_ENOTFOUND: what a call says whose far end was faster."""

_RUNNING = (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
_UNANSWERED = (pj.PJSIP_INV_STATE_CALLING, pj.PJSIP_INV_STATE_EARLY)

log = logging.getLogger(__name__)


class Dialog(pj.Call):  # type: ignore[misc]
    """Its callbacks leave facts. `over`: disconnected. `audio_changed`: since somebody last looked."""

    def __init__(
        self, account: pj.Account, party: str, facts: deque[Fact], library: Library, call_id: int = -1
    ) -> None:
        super().__init__(account, call_id)
        self.party = party
        self.facts = facts
        self.library = library
        self.over = False
        self.audio_changed = False
        self._inner: int | None = None

    def onCallState(self, prm: pj.OnCallStateParam) -> None:  # noqa: N802
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
                elsewhere = is_elsewhere(prm.e.body.tsxState.src.rdata.wholeMsg)
                self.facts.append(Gone(self.party, info.lastStatusCode, info.lastReason, elsewhere))

    def onCallTsxState(self, prm: pj.OnCallTsxStateParam) -> None:  # noqa: N802
        if self._inner is None and not self.over:
            event = prm.e
            transaction = event.body.tsxState.tsx.pjTransaction
            if transaction is not None:
                self._inner = self.library.dialog_of(int(transaction))

    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:  # noqa: N802, ARG002
        self.audio_changed = True

    def onDtmfDigit(self, prm: pj.OnDtmfDigitParam) -> None:  # noqa: N802
        self.facts.append(Digit(self.party, prm.digit))

    def onCallTransferRequest(self, prm: pj.OnCallTransferRequestParam) -> None:  # noqa: N802
        prm.statusCode = 603  # followed by default: it dials whatever the far end says

    def onCallReplaceRequest(self, prm: pj.OnCallReplaceRequestParam) -> None:  # noqa: N802
        prm.statusCode = 603

    def cancel(self) -> None:
        """Call our INVITE back, unless it was answered. The end, or the answer that crossed, is told as usual."""
        if self._inner is not None and not self.over and self.getInfo().state in _UNANSWERED:
            self.library.cancel(self._inner)

    def audio(self) -> pj.AudioMedia | None:
        """The audio port while media runs; a new one after every re-INVITE."""
        try:
            info = self.getInfo()
            running = len(info.media) > 0 and info.media[0].status in _RUNNING
            return self.getAudioMedia(0) if running else None
        except pj.Error as error:
            log_error("audio", self.party, error)
            return None

    def heard(self, within_s: float) -> Heard | None:
        """Packets that came so far, or None when the dialog has no stream."""
        try:
            info = self.getInfo()
            if self.over or not len(info.media) or info.media[0].status == pj.PJSUA_CALL_MEDIA_NONE:
                return None
            statistics = self.getStreamStat(0)
        except pj.Error as error:
            log_error("statistics", self.party, error)
            return None
        media = info.media[0]
        running = media.status == pj.PJSUA_CALL_MEDIA_ACTIVE and media.dir & pj.PJMEDIA_DIR_DECODING
        return Heard(statistics.rtcp.rxStat.pkt + statistics.rtcp.txStat.updateCount, bool(running), within_s)


def order(code: int, reason: str = "", headers: Mapping[str, str] | None = None) -> pj.CallOpParam:
    """What to answer, or (with code 0) to call with."""
    order = pj.CallOpParam(True)
    order.statusCode, order.reason = code, reason
    order.opt.audioCount, order.opt.videoCount = 1, 0
    for name, value in (headers or {}).items():
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        order.txOption.headers.append(header)
    return order


def log_error(what: str, party: str, error: pj.Error) -> None:
    if error.status in ALREADY_OVER:
        log.debug("%s for %s came too late", what, party)
    else:
        log.warning("%s for %s failed: %s (%d)", what, party, error.reason, error.status)
