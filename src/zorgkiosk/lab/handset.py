"""Drives one simulated phone (`zorgkiosk.lab.phone`) from asyncio: starts its process, gives commands, waits on events.

async with await Handset.start("caller", address="127.0.9.1", tone_hz=440, user="0201234567") as caller:
    await caller.call("sip:huisartsenpost@127.0.1.1:5060")
    await caller.wait_for("connected", timeout_s=5)
    await caller.hears({530}, timeout_s=3)
    await caller.hang_up()
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from zorgkiosk.lab.phone_process import Event, HandsetDiedError, HandsetError, NoSuchEventError, PhoneProcess
from zorgkiosk.lab.tone import Heard

__all__ = [
    "Event", "Handset", "HandsetDiedError", "HandsetError", "NoSuchEventError", "NotHeardError", "Registration",
]  # fmt: skip

WINDOW_S = 0.4
"""Long enough to tell a tone from speech, see `tone.PRESENT_DB`."""


class NotHeardError(HandsetError):
    """Something else was heard than was expected."""


@dataclass(frozen=True)
class Registration:
    """Where a desk phone registers. `uri` is its address of record, `sip:desk1@127.0.1.1:5060`; realm `*` is any."""

    uri: str
    password: str
    realm: str = "*"


class Handset:
    """One phone. `history` holds all its events.

    A verb returns when the phone has done it, which says nothing of the far end: wait for the event that follows.
    Every verb raises `HandsetDiedError` when the process is gone and `HandsetError` when the phone cannot do it.
    """

    def __init__(self, uri: str, tone_hz: int, phone: PhoneProcess) -> None:
        self.name = phone.name
        self.uri = uri
        self.tone_hz = tone_hz
        self.history = phone.history
        self._phone = phone
        self._given: dict[str, int] = {}
        self._forgotten = 0

    @classmethod
    async def start(
        cls,
        name: str,
        *,
        address: str,
        tone_hz: int,
        port: int = 5060,
        rtp_port: int = 42000,
        user: str = "phone",
        registration: Registration | None = None,
        timeout_s: float = 10.0,
    ) -> Handset:
        """A phone that is ready to call and be called; with `registration` it has also been registered."""
        command = [sys.executable, "-m", "zorgkiosk.lab.phone", "--address", address, "--port", str(port)]
        command += ["--rtp-port", str(rtp_port), "--tone-hz", str(tone_hz), "--user", user]
        environment = dict(os.environ)
        if registration is not None:
            command += ["--register", registration.uri, "--realm", registration.realm]
            environment["ZORGKIOSK_PHONE_PASSWORD"] = registration.password
        phone = await PhoneProcess.start(name, command, environment)
        handset = cls(registration.uri if registration else f"sip:{user}@{address}:{port}", tone_hz, phone)
        try:
            await handset.wait_for("ready", timeout_s=timeout_s)
            if registration is not None:
                await handset.wait_for("registered", timeout_s=timeout_s, code=200)
        except BaseException:
            await handset.stop()
            raise
        return handset

    async def __aenter__(self) -> Handset:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        return self._phone.pid

    # --- verbs ---

    async def call(self, uri: str, headers: Mapping[str, str] | None = None) -> None:
        """Dial. Events of earlier calls that no `wait_for` took are left behind."""
        self.forget()
        await self._phone.tell(do="call", uri=uri, headers=dict(headers or {}))

    async def answers(self, after_s: float = 0.0) -> None:
        """From now on, also for a call that rings now: ring (180), then pick up after `after_s`."""
        await self._phone.tell(do="answer", after_s=after_s)

    async def rejects(self, code: int = 486) -> None:
        await self._phone.tell(do="answer", reject_code=code)

    async def lets_ring(self) -> None:
        """Ring (180) and never pick up: the policy a phone starts with."""
        await self._phone.tell(do="answer", never=True)

    async def pick_up(self) -> None:
        """As soon as it rings, like everybody: the line may know a moment before the phone does."""
        await self._until_last("incoming", "connected", "ended")
        await self._phone.tell(do="pick_up")

    async def hang_up(self) -> None:
        """End the call, whatever its state: BYE, CANCEL, or 603 to a caller who still hears it ring.

        HandsetError when there is none, as when the other side was faster.
        """
        await self._phone.tell(do="hang_up")

    async def hold(self) -> None:
        await self._phone.tell(do="hold")

    async def unhold(self) -> None:
        await self._phone.tell(do="unhold")

    async def press(self, digits: str) -> None:
        """DTMF as RFC 4733 events, as soon as there is sound."""
        await self._until_last("media", "ended")
        await self._phone.tell(do="dtmf", digits=digits)

    async def registers_again(self) -> None:
        """Now and not only when the registration runs out, as a phone does that is switched off and on."""
        await self._phone.tell(do="register")

    # --- what happened ---

    def forget(self) -> None:
        """Later `wait_for` see only what comes from now on; `history` keeps all."""
        self._given.clear()
        self._forgotten = len(self.history)

    async def wait_for(self, name: str, timeout_s: float = 5.0, **details: Any) -> Event:
        """The next event `name` with these details that no `wait_for` has returned or passed over yet.

        Each name is counted on its own, so `ended` may be waited for before or after `media`.
        Raises NoSuchEventError with the history when it does not come within `timeout_s`.
        """

        def find() -> Event | None:
            for index in range(self._given.get(name, self._forgotten), len(self.history)):
                event = self.history[index]
                if event.name == name and details.items() <= dict(event.details).items():
                    self._given[name] = index + 1
                    return event
            return None

        wanted = " ".join([name, *(f"{key}={value}" for key, value in details.items())])
        return await self._phone.until(find, timeout_s, wanted)

    async def _until_last(self, name: str, *others: str) -> None:
        """Until the newest of these events is the first one, or a while: then the phone itself says what is missing."""

        def find() -> bool | None:
            newest = next((event for event in reversed(self.history) if event.name in (name, *others)), None)
            active = newest is not None and newest.details.get("state", "active") == "active"
            return True if newest is not None and newest.name == name and active else None

        with contextlib.suppress(NoSuchEventError):
            await self._phone.until(find, 2.0, name)

    # --- what it hears ---

    async def listen(self, for_s: float = WINDOW_S) -> Heard:
        """Measure the sound of the next `for_s` seconds. `window_s` is 0 when no media is up."""
        begin = len(self.history)
        await self._phone.tell(do="listen", for_s=for_s)

        def find() -> Heard | None:
            for event in self.history[begin:]:
                if event.name == "heard":
                    tones = {int(hz): level for hz, level in event.details["tones"].items()}
                    return Heard(**{**event.details, "tones": tones})
            return None

        return await self._phone.until(find, for_s + 2.0, "heard")

    async def hears(self, tones_hz: Iterable[int], timeout_s: float = 5.0) -> dict[int, float]:
        """Wait until exactly these tones are heard, no other; their levels in dBFS (a phone speaks at −12)."""
        wanted = set(tones_hz)
        what = " + ".join(f"{hz} Hz" for hz in sorted(wanted))
        return (await self._hears(lambda heard: set(heard.tones) == wanted, what, timeout_s)).tones

    async def hears_silence(self, timeout_s: float = 5.0) -> Heard:
        """Wait for a window with media up and nothing in it: no tone, nothing above −50 dBFS."""
        return await self._hears(lambda heard: heard.silent, "silence", timeout_s)

    async def hears_speech(self, timeout_s: float = 5.0) -> Heard:
        """Wait for sound that is no tone of a phone: an announcement."""
        return await self._hears(lambda heard: heard.speech, "speech", timeout_s)

    async def _hears(self, right: Callable[[Heard], bool], what: str, timeout_s: float) -> Heard:
        deadline_s = time.monotonic() + timeout_s
        while True:
            heard = await self.listen()
            if heard.window_s >= 0.9 * WINDOW_S and right(heard):
                return heard
            if time.monotonic() >= deadline_s:
                sound = str(heard) if heard.window_s else "no media"
                raise NotHeardError(f"{self.name} should hear {what}, but in {timeout_s:g} s the last was: {sound}")

    # --- the process ---

    async def stop(self) -> None:
        """End the process: hang up, unregister, quit; by force after 3 s. Safe to repeat."""
        await self._phone.stop()

    async def crash(self) -> None:
        """SIGKILL: what a phone that loses power does."""
        await self._phone.crash()

    def freeze(self) -> None:
        """SIGSTOP: the phone is there and swallows every packet, until `thaw`."""
        self._phone.freeze()

    def thaw(self) -> None:
        self._phone.thaw()
