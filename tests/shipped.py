"""Where the files are that technicians get."""

from pathlib import Path

FIRMWARE = Path(__file__).parents[1] / "firmware_config"
ANNOUNCEMENTS = FIRMWARE / "announcements"
HARDWARE = FIRMWARE.parent / "hardware"
