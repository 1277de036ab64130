"""SIP messages (RFC 3261) as far as a measuring endpoint needs them: read, written, answered. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

RTP_CLOCK_HZ = 8000
_CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "QUJD" * 10 + "\r\n"
"""Any thirty bytes will do for SRTP that nobody listens to (RFC 4568)."""


@dataclass(frozen=True)
class Message:
    """`headers` keeps order and repetition; names compare without case. `arrived_s`: CLOCK_MONOTONIC."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""
    arrived_s: float = 0.0

    @property
    def code(self) -> int:
        """The status of a reply; 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of a request, or of the request that is replied to."""
        return self["CSeq"].split()[1]

    @property
    def cseq(self) -> int:
        return int(self["CSeq"].split()[0])

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next(iter(self.all(name)), "")

    def __getitem__(self, name: str) -> str:
        if not (value := self.get(name)):
            raise ValueError(f"{self.start}: no header {name}")
        return value

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers), f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", self.body]).encode()


def parse(data: bytes, arrived_s: float = 0.0) -> Message:
    """A whole message. Raises ValueError for what is none."""
    head, end, body = data.decode().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    if not end or "SIP/2.0" not in start:
        raise ValueError("not a SIP message")
    pairs = (line.partition(":") for line in lines)
    return Message(start, tuple((name.strip(), value.strip()) for name, _, value in pairs), body, arrived_s)


def reply(request: Message, code: int, contact: str, tag: str, body: str = "") -> Message:
    """A reply to any request (RFC 3261 §8.2.6)."""
    to = request["To"] if "tag=" in request["To"] or code == 100 else f"{request['To']};tag={tag}"
    copied = [(name, value) for name in ("Via", "Record-Route") for value in request.all(name)]
    content = [("Content-Type", "application/sdp")] if body else []
    kept = [("From", request["From"]), ("To", to), ("Call-ID", request["Call-ID"]), ("CSeq", request["CSeq"])]
    return Message(f"SIP/2.0 {code} Bench", (*copied, *kept, ("Contact", f"<{contact}>"), *content), body)


def uri_in(header: str) -> str:
    """The URI inside a Contact, From or Record-Route value."""
    match = re.search(r"<([^>]+)>", header)
    return match[1] if match else header.partition(";")[0].strip()


def user_of(header: str) -> str:
    """The user of the URI in a header."""
    return uri_in(header).partition(":")[2].partition("@")[0]


def routes(message: Message) -> list[str]:
    """The values of Record-Route, in their order."""
    return [part.strip() for value in message.all("Record-Route") for part in value.split(",")]


def sdp(address: str, port: int, *, srtp: bool = False) -> str:
    """An offer, or an answer, of G.711 A-law at this place."""
    profile, crypto = ("RTP/SAVP", _CRYPTO) if srtp else ("RTP/AVP", "")
    return (
        f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
        f"m=audio {port} {profile} 8\r\na=rtpmap:8 PCMA/{RTP_CLOCK_HZ}\r\na=sendrecv\r\n{crypto}"
    )


def audio_at(body: str) -> tuple[str, int] | None:
    """Where the writer of this SDP wants its audio."""
    address, port = re.search(r"^c=IN IP4 (\S+)", body, re.M), re.search(r"^m=audio (\d+)", body, re.M)
    return (address[1], int(port[1])) if address and port else None


def digest(challenge: str, method: str, uri: str, user: str, password: str) -> str:
    """The Authorization header for a Digest challenge, with qop=auth or without (RFC 2617 §3.2.2)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    realm, nonce = given["realm"], given["nonce"]
    ha1, ha2 = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    head = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "qop" not in given:
        return f'{head}, response="{_md5(f"{ha1}:{nonce}:{ha2}")}"'
    response = _md5(f"{ha1}:{nonce}:00000001:bench:auth:{ha2}")
    return f'{head}, response="{response}", qop=auth, nc=00000001, cnonce="bench"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
