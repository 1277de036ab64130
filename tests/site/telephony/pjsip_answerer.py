"""A SIP endpoint with the parser that workers have. It refuses every call with 480; `python pjsip_answerer.py PORT`.

It is a process of its own: a pjsua2 endpoint exists once in a process, and a message that brings it down shows.
"""

from __future__ import annotations

import sys

import pjsua2


def main(port: int) -> None:
    endpoint = pjsua2.Endpoint()
    endpoint.libCreate()
    settings = pjsua2.EpConfig()
    settings.uaConfig.threadCnt = 0
    settings.uaConfig.mainThreadOnly = True
    settings.logConfig.level = settings.logConfig.consoleLevel = 1
    endpoint.libInit(settings)
    transport = pjsua2.TransportConfig()
    transport.port, transport.boundAddress = port, "127.0.0.1"
    endpoint.transportCreate(pjsua2.PJSIP_TRANSPORT_UDP, transport)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    waiting: list[pjsua2.Call] = []

    class Account(pjsua2.Account):  # type: ignore[misc]
        def onIncomingCall(self, prm: pjsua2.OnIncomingCallParam) -> None:  # noqa: N802
            call = pjsua2.Call(self, prm.callId)
            call.thisown = False
            waiting.append(call)  # an answer in here would be an abort when there is no SDP

    account, identity = Account(), pjsua2.AccountConfig()
    identity.idUri = "sip:line@127.0.0.1"
    account.create(identity)
    refusal = pjsua2.CallOpParam()
    refusal.statusCode = 480
    while True:
        endpoint.libHandleEvents(10)
        while waiting:
            waiting.pop(0).answer(refusal)


if __name__ == "__main__":
    main(int(sys.argv[1]))
