"""Does the other end speak SIP? One OPTIONS (RFC 3261 §11) over UDP or TLS, and what came back, within a bound.

Any answer will do, a refusal too: who refuses is there. Nobody's telephone rings for it.
"""

from __future__ import annotations

import re
import socket
import ssl
import time

ANSWER_WITHIN_S = 4.0
_T1_S = 0.5
"""RFC 3261 §17.1.2.2: over UDP a request is sent again after T1, then after twice as long each time."""
_DATAGRAM = 65_535
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6]\d\d) ")


def request(target: str, here: tuple[str, int], transport: str, branch: str) -> bytes:
    """A minimal OPTIONS to `target` (host:port) from the address and port `here`; `branch` is its own name."""
    host, port = here
    lines = (
        f"OPTIONS sip:{target} SIP/2.0",
        f"Via: SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{branch};rport",
        f"From: <sip:doctor@{host}>;tag={branch}",
        f"To: <sip:{target}>",
        f"Call-ID: {branch}@{host}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:doctor@{host}:{port}>",
        "Max-Forwards: 70",
        "Accept: application/sdp",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(packet: bytes, branch: str) -> str | None:
    """`200` of the final answer to that request; None for anything else.

    The code alone: the words after it are the other end's own, and may hold a number or a name.
    """
    line = _STATUS_LINE.match(packet)
    if line is None or line[1].startswith(b"1") or f"branch=z9hG4bK{branch}".encode() not in packet:
        return None
    return line[1].decode()


def over_udp(host: str, port: int, here: str, branch: str, within_s: float = ANSWER_WITHIN_S) -> tuple[bool, str]:
    """Whether the other end answered, and what. `here` is the address that it knows us by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((here, 0))
            udp.connect((host, port))
            packet = request(f"{host}:{port}", udp.getsockname()[:2], "UDP", branch)
            until_s, pause_s = time.monotonic() + within_s, _T1_S
            while (left_s := until_s - time.monotonic()) > 0:
                udp.send(packet)
                said = _heard(udp, branch, min(pause_s, left_s))
                if said is not None:
                    return True, f"answers {said}"
                pause_s *= 2
        except ConnectionRefusedError:
            return False, "nobody listens there"
        except OSError as error:
            return False, f"not reached ({error.strerror or error})"
    return False, f"no answer in {within_s:g} s"


def over_tls(secure: ssl.SSLSocket, target: str, branch: str, within_s: float = ANSWER_WITHIN_S) -> tuple[bool, str]:
    """The same over a connection that is there; `target` is the partner's name."""
    secure.settimeout(within_s)
    until_s, seen = time.monotonic() + within_s, b""
    try:
        secure.sendall(request(target, secure.getsockname()[:2], "TLS", branch))
        while time.monotonic() < until_s:
            part = secure.recv(_DATAGRAM)
            if not part:
                return False, "ends the connection at once: is our certificate revoked, are we its partner?"
            seen += part
            if (said := answer(seen, branch)) is not None:
                return True, f"answers {said}"
    except TimeoutError:
        pass
    except OSError as error:
        return False, f"ends the connection ({getattr(error, 'reason', None) or error.strerror or error})"
    return False, f"connected, but no answer to OPTIONS in {within_s:g} s"


def _heard(udp: socket.socket, branch: str, within_s: float) -> str | None:
    until_s = time.monotonic() + within_s
    while (left_s := until_s - time.monotonic()) > 0:
        udp.settimeout(left_s)
        try:
            said = answer(udp.recv(_DATAGRAM), branch)
        except TimeoutError:
            return None
        if said is not None:
            return said
    return None
