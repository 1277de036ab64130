"""SIP and audio of one caller. The only importer of pjsua2 in an appliance.

`phone` (the dialogs of one caller, start here) · `dialog` (one of them) · `audio` (who hears what) · `account` (how the
stack is set up) · `library` (what the binding leaves out).

One thread does it all: `Phone.poll` runs the stack, whose callbacks do no more than leave a fact; `Phone.act` runs from
the loop. The stack has abort()s behind several innocent orders of calls, so the shape of these files is the product of
measuring. A part of a binding's object dies with the whole: hold `info = call.getInfo()` while reading `info.media[0]`.
"""

from __future__ import annotations

from zorgkiosk.site.telephony.worker.sip.phone import Phone

__all__ = ["Phone"]
