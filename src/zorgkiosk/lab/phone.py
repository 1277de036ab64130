"""One simulated phone: a caller behind the trunk, or a desk phone. A process of its own, driven by `handset.Handset`.

    python -m zorgkiosk.lab.phone --address 127.0.9.1 --tone-hz 440 --user 0201234567
    ZORGKIOSK_PHONE_PASSWORD=… python -m zorgkiosk.lab.phone --address 127.0.9.2 --tone-hz 530 \
        --register sip:desk1@127.0.1.1:5060 --realm hap-noord

Commands come as JSON lines on stdin, `{"do": "call", "uri": "sip:…"}`; end of input means `quit`. Events go as JSON
lines to stdout, `{"event": "connected", "at_s": …}` with `at_s` of CLOCK_MONOTONIC; all else goes to stderr.

| command | fields | | event | fields |
|---|---|---|---|---|
| `call` | `uri`, `headers` | | `ready` | `pid` |
| `answer` | one of `after_s`, `reject_code`, `never` | | `registered` | `code`, `expires_s` (0: gone) |
| `pick_up`, `hang_up` | | | `incoming` | `uri` of the caller, `headers` (lower case) |
| `hold`, `unhold` | | | `calling`, `ringing` (180), `early` (183), `connected` | |
| `dtmf` | `digits` | | `media` | `state`: `active`, `local-hold`, `remote-hold`, `none`, `error` |
| `listen` | `for_s` | | `heard` | `tones`, `strongest_absent_db`, `other_db`, `window_s` |
| `quit` | | | `ended` | `code`, `reason`, `by`: `self` or `peer` (also when nobody answered) |
| | | | `dtmf` | `digit` |
| | | | `done` | `number` of the command, if it had one |
| | | | `problem` | `number`, `sentence`: why it was not done |

It speaks its tone whenever media is up, G.711 A-law, one call at a time: a second caller gets 486. One thread calls
into pjsua2; its callbacks only translate and enqueue.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

import pjsua2 as pj

from zorgkiosk.lab import softphone, tone
from zorgkiosk.lab.softphone import Ear, Happening, Happenings, PhoneAccount, PhoneCall, Setup, answer, operation

PASSWORD_VARIABLE = "ZORGKIOSK_PHONE_PASSWORD"  # noqa: S105 - the name of it
POLL_MS = 20
LISTEN_GRACE_S = 0.15
QUIT_S = 1.0


class CannotError(Exception):
    """The command makes no sense, or not now; the text says why."""


class Phone:
    """The loop: pjsua2's events, commands from `commands` (a file descriptor), events to `out`."""

    def __init__(
        self,
        endpoint: Any,
        account: PhoneAccount,
        mouth: Any,
        ear: Ear,
        happenings: Happenings,
        commands: int,
        out: TextIO,
    ) -> None:
        self.endpoint = endpoint
        self.account = account
        self.mouth = mouth
        self.ear = ear
        self.happenings = happenings
        self.commands = commands
        self.out = out
        self.call: PhoneCall | None = None
        self.registered = False
        self.turned_away: set[PhoneCall] = set()
        self.unread = b""
        self.policy: dict[str, Any] = {"never": True}
        self.pick_up_at_s: float | None = None
        self.listen_frames = 1
        self.listen_until_s = 0.0
        self.quit_at_s: float | None = None

    def run(self) -> None:
        self.emit("ready", time.monotonic(), pid=os.getpid())
        while not self.finished(time.monotonic()):
            self.endpoint.libHandleEvents(POLL_MS)
            while self.happenings:
                self.take(self.happenings.popleft())
            self.read_commands()
            self.keep_time(time.monotonic())

    def finished(self, now_s: float) -> bool:
        if self.quit_at_s is None:
            return False
        return now_s >= self.quit_at_s or (self.call is None and not self.registered)

    def emit(self, event: str, at_s: float, **details: Any) -> None:
        self.out.write(json.dumps({"event": event, "at_s": at_s, **details}) + "\n")
        self.out.flush()

    # --- what pjsua2 says ---

    def take(self, happening: Happening) -> None:
        call = happening.call
        if call is not None and call is not self.call:
            if happening.event != "incoming" or self.call is not None:
                self.turn_away(happening.event, call)
                return
            self.call = call
        self.emit(happening.event, happening.at_s, **happening.details)
        match happening.event:
            case "incoming":
                self.react(self.ring)
            case "media" if happening.details["state"] == "active":
                self.react(self.connect_audio)
            case "registered":
                self.registered = happening.details["code"] == 200 and happening.details["expires_s"] > 0
            case "ended":
                self.call = self.pick_up_at_s = None
                self.endpoint.audDevManager().setNoDev()

    def turn_away(self, event: str, call: PhoneCall) -> None:
        """A second caller: kept by reference until it has ended, as destroying it earlier would hang it up twice."""
        if event == "incoming":
            self.turned_away.add(call)
            self.react(answer, call, 486)
        elif event == "ended":
            self.turned_away.discard(call)

    def ring(self) -> None:
        answer(self.current(), 180)
        self.apply_policy()

    def apply_policy(self) -> None:
        self.pick_up_at_s = None
        match self.policy:
            case {"after_s": float() | int() as after_s}:
                self.pick_up_at_s = time.monotonic() + after_s
            case {"reject_code": int(code)}:
                self.end(code)

    def connect_audio(self) -> None:
        """On every media state: after a hold or re-INVITE the bridge is silent for ever otherwise."""
        audio = self.current().getAudioMedia(-1)
        self.endpoint.audDevManager().setNullDev()
        self.mouth.startTransmit(audio)
        audio.startTransmit(self.ear)

    # --- what we are told ---

    def read_commands(self) -> None:
        if not select.select([self.commands], [], [], 0)[0]:
            return
        block = os.read(self.commands, 65536)
        *lines, self.unread = (self.unread + block).split(b"\n")
        for line in lines:
            self.obey(line)
        if not block:
            self.quit()

    def obey(self, line: bytes) -> None:
        """Do one command and say how it went, so that whoever gave it knows that it is in force."""
        number = None
        try:
            command = json.loads(line)
            number = command.pop("number", None) if isinstance(command, dict) else None
            self.perform(command)
        except pj.Error as error:  # a call may end while we speak of it
            self.problem(number, f"{error.reason} ({error.status})")
        except (CannotError, ValueError) as error:
            self.problem(number, str(error))
        else:
            self.emit("done", time.monotonic(), number=number)

    def perform(self, command: Any) -> None:
        match command:
            case {"do": "call", "uri": str(uri)}:
                self.dial(uri, command.get("headers") or {})
            case {"do": "answer"}:
                self.policy = command
                if self.call is not None and self.call.incoming:
                    self.apply_policy()
            case {"do": "pick_up"}:
                self.pick_up()
            case {"do": "hang_up"}:
                self.end(0)
            case {"do": "hold" | "unhold" as verb}:
                self.hold(verb == "hold")
            case {"do": "dtmf", "digits": str(digits)}:
                self.current().dialDtmf(digits)
            case {"do": "listen", "for_s": float() | int() as for_s}:
                self.start_listening(for_s, time.monotonic())
            case {"do": "register"}:
                self.account.setRegistration(True)
            case {"do": "quit"}:
                self.quit()
            case _:
                raise CannotError(f"not a command of a phone: {json.dumps(command)[:80]}")

    def react(self, action: Callable[..., None], *arguments: Any) -> None:
        """What the phone does by itself: the call may have ended before that."""
        try:
            action(*arguments)
        except pj.Error as error:
            self.problem(None, f"{error.reason} ({error.status})")

    def problem(self, number: int | None, sentence: str) -> None:
        self.emit("problem", time.monotonic(), number=number, sentence=sentence)

    def current(self) -> PhoneCall:
        if self.call is None:
            raise CannotError("there is no call")
        return self.call

    def dial(self, uri: str, headers: dict[str, str]) -> None:
        if self.call is not None:
            raise CannotError("it is in a call already")
        call = self.call = PhoneCall(self.account, self.happenings)
        try:
            call.makeCall(uri, operation(headers=headers))
        except pj.Error:
            if call.thisown:  # otherwise `ended` was noted as well
                self.call = None
            raise

    def pick_up(self) -> None:
        self.pick_up_at_s = None
        answer(self.current(), 200)

    def end(self, code: int) -> None:
        call = self.current()
        call.ended_by = "self"
        call.hangup(operation(code))

    def hold(self, wanted: bool) -> None:
        call = self.current()
        if wanted:
            call.setHold(operation())
        else:
            again = operation()
            again.opt.flag |= pj.PJSUA_CALL_UNHOLD
            call.reinvite(again)

    def start_listening(self, for_s: float, now_s: float) -> None:
        self.ear.blocks.clear()
        self.ear.open = True
        self.listen_frames = max(1, round(for_s * 1_000_000 / softphone.FRAME_US))
        self.listen_until_s = now_s + for_s + LISTEN_GRACE_S

    def quit(self) -> None:
        if self.quit_at_s is None:
            self.quit_at_s = time.monotonic() + QUIT_S
            if self.call is not None:
                self.react(self.end, 0)
            if self.registered:
                self.react(self.account.setRegistration, False)

    def keep_time(self, now_s: float) -> None:
        if self.pick_up_at_s is not None and now_s >= self.pick_up_at_s:
            self.react(self.pick_up)
        enough = len(self.ear.blocks) >= self.listen_frames
        if self.ear.open and (enough or now_s >= self.listen_until_s):
            self.ear.open = False
            sound = b"".join(list(self.ear.blocks)[: self.listen_frames])
            self.emit("heard", now_s, **asdict(tone.measure(tone.pcm(sound))))


def parse(arguments: list[str] | None = None) -> Setup:
    parser = argparse.ArgumentParser(prog="zorgkiosk.lab.phone", description="One simulated phone.")
    parser.add_argument("--address", required=True, help="loopback address of its SIP and RTP")
    parser.add_argument("--port", type=int, default=5060)
    parser.add_argument("--rtp-port", type=int, default=42000)
    parser.add_argument("--tone-hz", type=int, required=True, choices=tone.TONES_HZ)
    parser.add_argument("--user", default="phone", help="its number or name, when it does not register")
    parser.add_argument("--register", default="", help="address of record, sip:USER@HOST[:PORT]")
    parser.add_argument("--realm", default="*", help="realm of the registrar's digest; * is any")
    return Setup(**vars(parser.parse_args(arguments)), password=os.environ.get(PASSWORD_VARIABLE, ""))


def main() -> None:
    setup = parse()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints must not get between the events
    endpoint = softphone.start_endpoint(setup)
    happenings: Happenings = collections.deque()
    account, ear, mouth = PhoneAccount(happenings), softphone.start_ear(), softphone.start_mouth(setup.tone_hz)
    softphone.start_account(setup, account)
    Phone(endpoint, account, mouth, ear, happenings, sys.stdin.fileno(), out).run()
    os._exit(0)  # calls have ended and the registration is gone; objects of pjsua2 would abort as the interpreter ends


if __name__ == "__main__":
    main()
