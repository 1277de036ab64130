"""What the line tells the front while calls go on: a worker is free, ready or dead, partners may hear how we are.

One JSON-RPC 2.0 request in a datagram to Kamailio's `jsonrpcs` socket, one in return, 0.1 ms. Each question has a
socket of its own, so there is nothing to keep open, lock or repair when the front restarts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LOG = logging.getLogger(__name__)
_GROUP = 1  # the dispatcher's set of workers
_ANSWER_MAX = 65_535
_NOT_FOUND = 404
_TALKING = (3, 4)  # states of Kamailio's dialog module: answered, answered and acknowledged
_UNANSWERED = (1, 2)
_ASK_S = 1.0
_LOOK_S = 0.01
_COUNT_MAX = 9_999  # four digits are what a partner's front lets through
_STATUS = re.compile(r"accepting=([01]);present=(\d+);free=(\d+);waiting=(\d+)")


class FrontError(Exception):
    """The front did not do what it was asked. `code` is its own answer, 0 when there was none.

    `silent`: it is there, and did not answer in time.
    """

    def __init__(self, message: str, code: int = 0, *, silent: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.silent = silent


@dataclass(frozen=True)
class WorkerStatus:
    """How the front sees a worker. `sip_call_id` is of the caller it was claimed for, until released."""

    uri: str
    active: bool
    sip_call_id: str | None

    @property
    def idle(self) -> bool:
        """A new caller may be placed here."""
        return self.active and self.sip_call_id is None


@dataclass(frozen=True)
class PartnerStatus:
    """What a line says of itself to partners, in the header X-Zorgkiosk-Status of its answer to OPTIONS."""

    accepting: bool
    desks_present: int
    desks_free: int
    waiting: int

    def encode(self) -> str:
        """The header's value. Counts above 9999 read 9999. Raises ValueError for one below zero."""
        counts = (self.desks_present, self.desks_free, self.waiting)
        if min(counts) < 0:
            raise ValueError(f"A count below zero cannot be published: {counts}.")
        present, free, waiting = (min(count, _COUNT_MAX) for count in counts)
        return f"accepting={self.accepting:d};present={present};free={free};waiting={waiting}"

    @classmethod
    def decode(cls, text: str) -> PartnerStatus | None:
        """None for anything that `encode` does not write."""
        if (match := _STATUS.fullmatch(text)) is None:
            return None
        accepting, *counts = (int(group) for group in match.groups())
        return cls(bool(accepting), *counts)


@dataclass(frozen=True)
class PartnerAnswer:
    """A partner's answer to OPTIONS. `code` 200: it has an idle worker; 503: none. `status` when its line said one."""

    code: int
    status: PartnerStatus | None


class FrontRpc:
    """Commands of the line to the front. Every method raises FrontError, at the latest after `timeout_s`."""

    def __init__(self, socket_path: Path, timeout_s: float = 0.5) -> None:
        self._path = socket_path
        self._timeout_s = timeout_s

    async def release(self, worker_uri: str) -> None:
        """The worker's caller is gone: it may have the next one. Harmless when it was not claimed."""
        try:
            await self._ask("htable.delete", "busy", worker_uri)
        except FrontError as error:
            if error.code != _NOT_FOUND:
                raise

    async def worker_ready(self, worker_uri: str) -> None:
        """A new worker process listens there; callers may be placed at once, without waiting for a probe."""
        await self._ask("dispatcher.set_state", "ap", _GROUP, worker_uri)

    async def worker_died(self, worker_uri: str) -> int:
        """The worker's process is gone: end all its calls at once and place nothing there until `worker_ready`.

        An unanswered caller gets 503, a ringing desk or partner CANCEL, everyone in conversation BYE; without this
        they would sit in silence until a session timer fires. Returns how many SIP dialogs were ended.
        """
        # Inactive first: between release and respawn a new caller must not land on a dead port.
        await self._ask("dispatcher.set_state", "ip", _GROUP, worker_uri)
        dialogs = _listed(await self._ask("dlg.profile_list", "worker", worker_uri))
        ended = [await self._end(dialog) for dialog in dialogs]
        await self.release(worker_uri)
        _LOG.info("front: worker %s is out, %d dialogs ended", worker_uri, sum(ended))
        return sum(ended)

    async def end_dialog(self, sip_call_id: str) -> bool:
        """End the dialog at both ends as in `worker_died`. False when there is none (any more)."""
        try:
            dialogs = _listed(await self._ask("dlg.dlg_list", sip_call_id))
        except FrontError as error:
            if error.code == 0:
                raise
            return False
        return any([await self._end(dialog) for dialog in dialogs])

    async def line_is_here(self) -> None:
        """Trunks and partners who ask hear that calls can be placed, for `front.LINE_SILENT_S`: say it again before."""
        await self._ask("htable.seti", "line", "here", 1)

    async def publish_status(self, accepting: bool, desks_present: int, desks_free: int, waiting: int) -> None:
        """What partners who ask hear from now on, for 30 s at most: say it again before. ValueError below zero."""
        status = PartnerStatus(accepting, desks_present, desks_free, waiting)
        await self._ask("htable.sets", "status", "now", status.encode())

    async def ask_partner(self, name: str) -> PartnerAnswer | None:
        """Ask the partner's front over TLS how its line is. None when nobody who proved to be `name` answered in 1 s.

        Raises FrontError also when no partner of that name is configured. Any number may be asked at the same time.
        """
        question = f"ask-{secrets.token_hex(8)}"
        # The front files the answer under the question, but only from a peer whose certificate has the name in To.
        headers = f"From: <sip:line@localhost>\r\nTo: <sip:{question}@{name}>\r\n"
        hop = await self._value("hop", name)
        if hop is None:
            raise FrontError(f"the front has no partner {name}", _NOT_FOUND)
        try:
            async with asyncio.timeout(_ASK_S):
                await self._ask("tm.t_uac_start", "OPTIONS", f"sip:line@{name}", hop, ".", headers)
                while (answer := await self._value("answer", question)) is None:
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return None
        code, _, status = answer.partition(" ")
        return PartnerAnswer(int(code), PartnerStatus.decode(status))

    async def reload_tls(self) -> None:
        """Read certificate and revocation list anew: they count for every new connection; open ones go on."""
        await self._ask("tls.reload")

    async def end_connections(self) -> None:
        """Within a second every TLS connection is ended. Calls go on: the next message makes another connection."""
        await self._ask("htable.seti", "anew", "all", 1)

    async def status(self) -> tuple[WorkerStatus, ...]:
        """All workers, in no particular order: what a line compares itself with after a restart."""
        busy = {
            slot["name"]: str(slot["value"]).split(" ", 1)[0]
            for entry in _listed(await self._ask("htable.dump", "busy"))
            for slot in entry["slot"]
        }
        answer = await self._ask("dispatcher.list")
        # FLAGS is two letters: A(ctive), I(nactive), T(rying) or D(isabled), then P(robed) or X.
        return tuple(
            WorkerStatus(target["DEST"]["URI"], target["DEST"]["FLAGS"].startswith("A"), busy.get(uri))
            for record in answer["RECORDS"]
            for target in record["SET"]["TARGETS"]
            for uri in (target["DEST"]["URI"],)
        )

    async def _value(self, table: str, key: str) -> str | None:
        """None when the front has no such key."""
        try:
            return str((await self._ask("htable.get", table, key))["item"]["value"])
        except FrontError as error:
            if error.code == 0:
                raise
            return None

    async def _end(self, dialog: dict[str, Any]) -> bool:
        try:
            if dialog["state"] in _TALKING:
                await self._ask("dlg.end_dlg", dialog["h_entry"], dialog["h_id"])
            elif dialog["state"] in _UNANSWERED:
                await self._refuse(dialog)
            else:
                return False
        except FrontError as error:
            if error.code == 0:
                raise
            _LOG.info("front: a dialog ended before it was told to (%s)", error)
            return False
        return True

    async def _refuse(self, dialog: dict[str, Any]) -> None:
        # The To tag is ours to choose: a final refusal ends every early dialog of the INVITE (RFC 3261 §12.3).
        to_tag = f"front{dialog['h_entry']}-{dialog['h_id']}"
        where = (dialog["call-id"], str(dialog["caller"]["cseq"]), to_tag)
        await self._ask("tm.reply_callid", 503, "Worker lost", *where, "Retry-After: 1\r\n")

    async def _ask(self, method: str, *params: str | int) -> Any:
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            answer = json.loads(await self._exchange(request))
        except OSError as error:
            silent = isinstance(error, TimeoutError)
            sentence = f"no answer from the front to {method}: {str(error) or 'too late'}"
            raise FrontError(sentence, silent=silent) from error
        except ValueError as error:
            raise FrontError(f"the front's answer to {method} is not JSON") from error
        if "error" in answer:
            raise FrontError(f"{method}: {answer['error']['message']}", int(answer["error"]["code"]))
        return answer["result"]

    async def _exchange(self, request: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind("")  # a name of the kernel's choice (unix(7), autobind), so that the answer finds us
            sock.connect(str(self._path))
            async with asyncio.timeout(self._timeout_s):
                await loop.sock_sendall(sock, request)
                return await loop.sock_recv(sock, _ANSWER_MAX)


def _listed(result: Any) -> list[dict[str, Any]]:
    """Kamailio gives a single record bare where it would give several as a list, and nothing as null or {}."""
    if isinstance(result, list):
        return [each for each in result if each]
    return [result] if result else []
