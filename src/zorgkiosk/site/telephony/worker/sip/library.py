"""What the SIP stack can do and its binding leaves out, called in the binding's own shared library."""

from __future__ import annotations

import ctypes
import logging

import pjsua2 as pj

DEAD_MS = 4000
"""Timer B, F and H (RFC 3261 §17): no answer at all for this long. Ringing is not limited by it."""
T1_MS, T4_MS = 500, 5000

log = logging.getLogger(__name__)


class Library:
    """Pointers are the stack's own, as integers. The calls belong to the thread that runs the stack."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(pj._pjsua2.__file__)
        self._library.pjsip_tsx_get_dlg.restype = ctypes.c_void_p
        self._library.pjsip_dlg_get_inv_session.restype = ctypes.c_void_p

    def silence(self) -> None:
        """libCreate would print before libInit brings its log settings."""
        self._library.pj_log_set_level(0)

    def shorten_timers(self) -> None:
        """No setting reaches these timers; with the usual ones a dead far end keeps its slot for 32 s."""
        self._library.pjsip_tsx_set_timers(T1_MS, DEAD_MS, T4_MS, DEAD_MS)

    def dialog_of(self, transaction: int) -> int | None:
        """The dialog that a transaction belongs to. It lives until its call is DISCONNECTED."""
        found: int | None = self._library.pjsip_tsx_get_dlg(ctypes.c_void_p(transaction))
        return found

    def cancel(self, dialog: int) -> None:
        """CANCEL an INVITE of ours that has no final answer, and leave the call open for what comes instead.

        `Call.hangup` closes the call at once, so that a 200 that crosses the CANCEL (RFC 5407 §3.1.2) gets BYE before
        anyone hears of it. Before any provisional answer the stack keeps the CANCEL back (RFC 3261 §9.1).
        """
        owner, message = ctypes.c_void_p(dialog), ctypes.c_void_p()
        self._library.pjsip_dlg_inc_lock(owner)
        session = ctypes.c_void_p(self._library.pjsip_dlg_get_inv_session(owner))
        status = self._library.pjsip_inv_end_session(session, 487, None, ctypes.byref(message)) if session else 0
        if status == 0 and message:
            status = self._library.pjsip_inv_send_msg(session, message)
        self._library.pjsip_dlg_dec_lock(owner)
        if status != 0:
            log.warning("a CANCEL cannot be sent (%d)", status)
