"""Odd and broken messages (after RFC 4475) from the trunk, through the real front, to workers with PJSIP's parser.

PJSIP is silent on what it cannot parse, and a worker that is silent looks dead. So whatever reaches
one must be answered.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from front_bench import Bench
from front_stage import SILENCE_S, states
from sip_peer import Peer

from zorgkiosk.site.telephony.front import CALLS_PER_WORKER_PER_S

pytest_plugins = ["front_fixtures"]
pytestmark = pytest.mark.integration

AT_WORKER = 480
"""What the worker says to every call that reaches it."""


@pytest.fixture(scope="module")
def workers(front: Bench) -> Iterator[Bench]:
    pytest.importorskip("pjsua2")
    script = Path(__file__).with_name("pjsip_answerer.py")
    ports = [each.rpartition(":")[2] for each in front.parameters.worker_uris]
    running = [subprocess.Popen([sys.executable, script, port], stdout=subprocess.DEVNULL) for port in ports]
    deadline = time.monotonic() + 15
    while not all(each.active for each in states(front).values()):  # they answered a probe
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield front
    for process in running:
        assert process.poll() is None, "a message brought the worker's parser down"
        process.terminate()
        process.wait(10)


@pytest.fixture
def trunk(workers: Bench) -> Iterator[Peer]:
    """Every message has to leave the workers as they were."""
    known = len(workers.log_file.read_text())
    time.sleep(1 / CALLS_PER_WORKER_PER_S)  # slow enough for the front's limit, even if one worker gets them all
    yield workers.caller()
    seen = states(workers)
    workers.close_all()
    for worker_uri in seen:
        asyncio.run(workers.rpc.release(worker_uri))
    assert all(each.active for each in seen.values())
    said = workers.log_file.read_text()[known:]
    assert "silent" not in said
    assert "0612345678" not in said  # the usual caller, whom no complaint may quote


USUAL = {
    "start": "INVITE sip:line@{front} SIP/2.0",
    "via": "Via: SIP/2.0/UDP {me};branch=z9hG4bK-{id};rport",
    "forwards": "Max-Forwards: 70",
    "from": "From: <sip:0612345678@pbx.example>;tag=a{id}",
    "to": "To: <sip:line@hap.example>",
    "call": "Call-ID: {id}@pbx.example",
    "cseq": "CSeq: 1 INVITE",
    "contact": "Contact: <sip:pbx@{me}>",
    "length": "Content-Length: 0",
}
_serial = itertools.count(1)


def ask(bench: Bench, trunk: Peer, changes: Mapping[str, str | None], body: str = "") -> int:
    """The final status, or 0 for silence. `changes` replace, add or (None) leave out lines of the usual INVITE."""
    number = f"torture-{next(_serial)}-{time.monotonic_ns()}"
    lines = [line for line in {**USUAL, **changes}.values() if line is not None]
    names = {"{front}": bench.outside[0], "{me}": f"{trunk.local[0]}:{trunk.local[1]}", "{id}": number}
    text = "\r\n".join(lines) + "\r\n\r\n" + body
    for name, value in names.items():
        text = text.replace(name, value)
    trunk.sock.sendto(text.encode(), bench.outside)
    reply = trunk.maybe(lambda message: message.code >= 200 and number in message["Via"], SILENCE_S + 0.5)
    return reply.code if reply else 0


LONG = "extremely" * 40

ODD_BUT_VALID: dict[str, dict[str, str | None]] = {
    "folded, compact and spread out": {
        "from": 'f :\r\n  "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8',
        "to": "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tagged    = 1918181833n",
        "forwards": "MaX-fOrWaRdS: 0068",
        "call": "i: {id}",
        "contact": 'm:"Quoted string \\"\\"" <sip:jdrosen@{me}> ; newparam =\r\n newvalue ;\r\n  second ; q = 0.33',
        "cseq": "CSeq: 0009    INVITE",
        "odd": "NewFangledHeader:   newfangled value\r\n continued newfangled value",
        "unknown": "UnknownHeaderWithUnusualValue: ;;,,;;,;",
    },
    "escapes in URIs": {
        "to": "To: <sip:%75se%72@example.com>",
        "from": "From: <sip:I%20have%20spaces@example.net>;tag=a{id}",
        "contact": "Contact: <sip:cal%6Cer@{me};%6C%72;n%61me=v%61lue%25%34%31>",
    },
    "an escaped zero byte": {"from": "From: <sip:null-%00-null@example.com>;tag=a{id}"},
    "a percent that is no escape": {"forwards": "Max-Forwards: 70", "odd": "X-Percent: 100% and %%"},
    "no space before the bracket": {"from": "From: caller<sip:caller@example.com>;tag=a{id}"},
    "long values": {
        "to": f'To: "A user name of {LONG} proportion" <sip:{LONG}@example.com:6000;unknownparam1=very{LONG}value>',
        "from": f"From: <sip:{LONG}@pbx.example>;tag=a{{id}};unknown={LONG}",
        "odd": "X-Long: " + "9" * 3000,
    },
    **{
        f"port {port}": {
            "from": f"From: <sip:061@pbx.example:{port}>;tag=a{{id}}",
            "contact": f"Contact: <sip:a@127.0.0.1:{port}>",
            "more": f"Via: SIP/2.0/UDP 192.0.2.7:{port};branch=z9hG4bK-x",
        }
        for port in (1, 9999, 10000, 59999, 60000, 64999, 65000, 65499, 65500, 65529, 65530, 65535)
    },
    "semicolons in the user part": {"from": "From: <sip:user;par=u%40example.net@pbx.example>;tag=a{id}"},
    "a caller without a user part": {"from": "From: <sip:pbx.example>;tag=a{id}"},
    "a telephone URI": {"from": "From: <tel:+31612345678;phone-context=x>;tag=a{id}"},
    "a withheld number": {"from": 'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=a{id}'},
    "signs of service codes": {"from": "From: <sip:*31#0612@pbx.example>;tag=a{id}"},
    "a name with an accent": {"from": "From: José Núñez <sip:061@pbx.example>;tag=a{id}"},
    "an empty name": {"from": 'From: "" <sip:061@pbx.example>;tag=a{id}'},
    "no angle brackets": {"from": "From: sip:061@pbx.example;tag=a{id}", "contact": "Contact: sip:pbx@{me}"},
    "no tag of the caller": {"from": "From: <sip:061@pbx.example>"},
    "many Vias, of all transports": {
        "more": "Via: SIP / 2.0 / TCP\r\n  192.0.2.2;branch=390skdjuw\r\nv:  SIP/2.0/SCTP [2001:db8::9]:5060;branch=z9"
        "hG4bKx, SIP/2.0/UNKNOWN t4.example.com;received=192.0.2.7"
    },
    "a bad date": {"odd": "Date: Fri, 01 Jan 2010 16:00:00 EST"},
    "headers that PJSIP chokes on and nobody needs": {
        "a": "Event: ;\r\nAuthorization: x\r\nSubscription-State: x y\r\nReplaces: x",
        "b": "Session-Expires: abc\r\nMin-SE: a\r\nSupported: timer,,\r\nUnsupported: ,\r\nMin-Expires: a",
    },
    "an early SIP, without a branch": {"via": "Via: SIP/2.0/UDP {me};x={id}"},
}


@pytest.mark.parametrize("changes", ODD_BUT_VALID.values(), ids=ODD_BUT_VALID)
def test_odd_but_valid_messages_reach_a_worker_which_answers(
    workers: Bench, trunk: Peer, changes: dict[str, str | None]
) -> None:
    assert ask(workers, trunk, changes) == AT_WORKER


BROKEN: dict[str, tuple[dict[str, str | None], tuple[int, ...]]] = {
    "From: unterminated quote": ({"from": 'From: "Mr. Watson <sip:w@example.com>;tag=a{id}'}, (400,)),
    "From: space in the user part": ({"from": "From: <sip:06 12@example.com>;tag=a{id}"}, (400,)),
    "From: two ats": ({"from": "From: <sip:061@@>;tag=a{id}"}, (400,)),
    "From: no user before the at": ({"from": "From: <sip:@example.com>;tag=a{id}"}, (400,)),
    "From: bracket never closed": ({"from": "From: <sip:061@example.com;tag=a{id}"}, (400,)),
    "From: bracket closed twice": ({"from": "From: <sip:061@example.com>>;tag=a{id}"}, (400,)),
    "From: empty": ({"from": "From: <>;tag=a{id}"}, (400,)),
    "From: no URI": ({"from": "From: x"}, (400,)),
    "From: letters for a port": ({"from": "From: <sip:061@example.com:abc>;tag=a{id}"}, (400,)),
    "From: port too large": ({"from": "From: <sip:061@example.com:99999>;tag=a{id}"}, (400,)),
    "From: port just too large": ({"from": "From: <sip:061@example.com:65536>;tag=a{id}"}, (400,)),
    "From: braces": ({"from": "From: <sip:a{b}@example.com>;tag=a{id}"}, (400,)),
    "From: bytes beyond ASCII in the URI": ({"from": "From: <sip:jöhn@example.com>;tag=a{id}"}, (400,)),
    "From: comma in a parameter": ({"from": "From: <sip:061@example.com>;tag=a{id};x=a,b"}, (400,)),
    "From: parameter without a name": ({"from": "From: <sip:061@example.com>;tag=a{id};"}, (400,)),
    "From: a scheme nobody knows": ({"from": "From: <name:John_Smith>;tag=a{id}"}, (400,)),
    "From: twice": ({"again": "From: <sip:other@example.com>;tag=b"}, (0, 400)),
    "From: missing": ({"from": None}, (0, 400)),
    "a header without a colon": ({"odd": "Warning 370"}, (0, 400)),
    "a number that is none": ({"odd": "Retry-After: soon"}, (0, 400)),
    "To: spaces around the URI's at": ({"to": "To: <sip:line @ example.com>"}, (0, 400)),
    "Contact: no URI": ({"contact": "Contact: abc"}, (400,)),
    "Contact: empty": ({"contact": "Contact: <>"}, (400,)),
    "Contact: missing": ({"contact": None}, (400,)),
    "Contact: port of letters": ({"contact": "Contact: <sip:a@b:c>"}, (400,)),
    "several of what may be there once": ({"again": "CSeq: 5 INVITE\r\nMax-Forwards: 5\r\nCall-ID: b"}, (0, 400)),
    "Call-ID missing": ({"call": None}, (0, 400)),
    "Call-ID empty": ({"call": "Call-ID: "}, (0, 400)),
    "CSeq: larger than 32 bits": ({"cseq": "CSeq: 36893488147419103232 INVITE"}, (400,)),
    "CSeq: just larger than 32 bits": ({"cseq": "CSeq: 4294967296 INVITE"}, (400,)),
    "CSeq: not a number": ({"cseq": "CSeq: x INVITE"}, (0, 400)),
    "CSeq: of another method": ({"cseq": "CSeq: 8 OPTIONS"}, (400,)),
    "Max-Forwards: not a number": ({"forwards": "Max-Forwards: abc"}, (400,)),
    "Max-Forwards: zero": ({"forwards": "Max-Forwards: 0"}, (483,)),
    "Content-Length: negative": ({"length": "Content-Length: -999"}, (0, 400)),
    "Content-Length: more than there is": ({"length": "Content-Length: 9999"}, (0, 400)),
    "Content-Type: no type": ({"type": "Content-Type: x"}, (400,)),
    "Via: unknown version": ({"via2": "Via: SIP/3.0/UDP 192.0.2.1;branch=z"}, (0, 400)),
    "Via: garbage below ours": ({"via2": "Via: x"}, (0, 400)),
    "Record-Route: garbage": ({"rr": "Record-Route: <sip:192.0.2.1;lr"}, (400,)),
    "brackets around the Request-URI": ({"start": "INVITE <sip:line@{front}> SIP/2.0"}, (0, 400)),
    "a space inside the Request-URI": ({"start": "INVITE sip:line@{front}; lr SIP/2.0"}, (0, 400)),
    "two spaces in the first line": ({"start": "INVITE  sip:line@{front}  SIP/2.0"}, (0, 400)),
    "an unknown version of SIP": ({"start": "INVITE sip:line@{front} SIP/7.0"}, (0, 400, 505)),
    "an unknown scheme": ({"start": "INVITE nobodyKnowsThisScheme:totallyopaque SIP/2.0"}, (400, 416)),
    "an extension nobody knows, demanded of us": ({"odd": "Proxy-Require: nothingSupportsThis"}, (420,)),
    "an extension nobody knows, demanded of the worker": ({"odd": "Require: nothingSupportsThis"}, (420,)),
    "a method nobody knows": ({"start": "NEWMETHOD sip:line@{front} SIP/2.0", "cseq": "CSeq: 1 NEWMETHOD"}, (405,)),
    "a method with odd signs": (
        {"start": "!interesting-Method0123456789_*+`.%indeed'~ sip:line@{front} SIP/2.0",
         "cseq": "CSeq: 1 !interesting-Method0123456789_*+`.%indeed'~"}, (405,)),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "codes"), BROKEN.values(), ids=BROKEN)
def test_broken_messages_are_refused_or_ignored_and_harm_nobody(
    workers: Bench, trunk: Peer, changes: dict[str, str | None], codes: tuple[int, ...]
) -> None:
    assert ask(workers, trunk, changes) in codes


@pytest.mark.parametrize(
    ("kind", "body", "codes"),
    [
        ("application/sdp", "v=0\r\n", (400, 488)),
        ("application/sdp", "garbage", (400, 488)),
        ("text/plain", "hello", (415, 400)),
        ("multipart/mixed;boundary=x", "--x\r\n\r\nhello", (415, 400, AT_WORKER)),
        ("application/sdp", "", (400, AT_WORKER)),
    ],
)
def test_a_body_that_is_no_offer_is_answered(
    workers: Bench, trunk: Peer, kind: str, body: str, codes: tuple[int, ...]
) -> None:
    lines: dict[str, str | None] = {"type": f"Content-Type: {kind}", "length": f"Content-Length: {len(body)}"}
    assert ask(workers, trunk, lines, body) in codes


def test_bytes_behind_the_message_and_no_message_at_all_do_no_harm(workers: Bench, trunk: Peer) -> None:
    assert ask(workers, trunk, {}, "INVITE sip:second@example.com SIP/2.0\r\n\r\n") in (400, AT_WORKER)
    for noise in (b"", b"\r\n\r\n", b"\0" * 1200, b"\xff" * 60_000, b"INVITE", b"SIP/2.0 999999999999999 x\r\n\r\n"):
        trunk.sock.sendto(noise, workers.outside)
    assert workers.options(trunk).code == 200
