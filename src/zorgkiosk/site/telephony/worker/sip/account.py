"""How the SIP stack and its two accounts are set up."""

from __future__ import annotations

import pjsua2 as pj

from zorgkiosk.site.telephony.worker.settings import RTP_PORTS, Settings

CLOCK_HZ = 8000
SESSION_S = 90
"""Session-Expires (RFC 4028): the other end clears a call whose worker died."""
SRTP_SUITES = ("AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80")
CODECS = {"PCMA/8000/1": 255, "PCMU/8000/1": 254}
"""Priority by codec; all others are off."""


def endpoint_config() -> pj.EpConfig:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = 4
    config.uaConfig.userAgent = "Zorgkiosk"
    config.logConfig.level = config.logConfig.consoleLevel = 0  # its error lines contain SIP addresses
    config.logConfig.msgLogging = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = CLOCK_HZ
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    return config


def account_config(settings: Settings, *, partner: bool) -> pj.AccountConfig:
    config = pj.AccountConfig()
    config.idUri = settings.sip_uri
    config.sipConfig.proxies.append(f"sip:{settings.front};lr")
    config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    config.callConfig.timerSessExpiresSec = config.callConfig.timerMinSESec = SESSION_S
    media = config.mediaConfig
    media.transportConfig.boundAddress = settings.media_address
    media.transportConfig.port, media.transportConfig.portRange = settings.rtp_port, RTP_PORTS - 2
    media.srtpSecureSignaling = 0  # the front does TLS on the last hop
    media.srtpUse = pj.PJMEDIA_SRTP_MANDATORY if partner else pj.PJMEDIA_SRTP_DISABLED
    if partner:
        media.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
        for name in SRTP_SUITES:
            media.srtpOpt.cryptos.append(_suite(name))
    return config


def _suite(name: str) -> pj.SrtpCrypto:
    suite = pj.SrtpCrypto()
    suite.name = name
    return suite
