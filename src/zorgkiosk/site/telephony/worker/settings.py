"""Where one worker listens. All of it comes from the command line, so that `ps` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SIP_HOST = "127.0.0.1"
"""Nobody but the front may reach a worker."""
RTP_PORTS = 20
"""From `rtp_port` on; four dialogs of two ports, and room for those just closed."""


@dataclass(frozen=True)
class Settings:
    """`front` is `host:port` of the front's inner listener; phones and partners send audio to `media_address`.
    `lost_announcement` is a WAV file for who is left behind in a conversation whose other side went dead."""

    number: int
    sip_port: int
    front: str
    media_address: str
    rtp_port: int
    lost_announcement: Path | None = None

    @property
    def sip_uri(self) -> str:
        return f"sip:{SIP_HOST}:{self.sip_port}"
