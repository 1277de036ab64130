"""A real Mosquitto on a loopback address, for the demo and the tests."""

from __future__ import annotations

import getpass
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from zorgkiosk.hub.broker import BrokerParameters, command, write

_START_WITHIN_S = 10.0
_STOP_WITHIN_S = 5.0
_LOG_FILE = "mosquitto.log"


class BrokerError(Exception):
    """Mosquitto is missing or does not start; one sentence says why."""


@dataclass(frozen=True)
class RunningBroker:
    """A broker that accepts connections on `parameters.address` and `.port`, until `stop` or `kill`."""

    parameters: BrokerParameters
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, parameters: BrokerParameters) -> RunningBroker:
        """Render the configuration, start Mosquitto as this user and wait until it listens. Raises BrokerError."""
        config = write(replace(parameters, run_as=getpass.getuser()))
        log_file = parameters.directory / _LOG_FILE
        try:
            with log_file.open("ab") as log:
                process = subprocess.Popen(command(config), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        except FileNotFoundError:
            raise BrokerError("broker: mosquitto is not installed: apt-get install mosquitto") from None
        broker = cls(parameters, process)
        broker._wait_until_listening(log_file)
        return broker

    def stop(self) -> None:
        """End it the normal way; its clients are told."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would: all that it holds is gone."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_listening(self, log_file: Path) -> None:
        until_s = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < until_s and self.process.poll() is None:
            try:
                socket.create_connection((self.parameters.address, self.parameters.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        last = log_file.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise BrokerError(f"broker: mosquitto does not start: {last[0]}")
