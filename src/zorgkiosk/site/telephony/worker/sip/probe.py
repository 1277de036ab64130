"""A script: starts the binding that Python finds, and says its version and how many calls it was built for."""

from __future__ import annotations

import ctypes
import os

import pjsua2 as pj


def main() -> None:
    library = ctypes.CDLL(pj._pjsua2.__file__)
    library.pj_log_set_level(0)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    settings = pj.EpConfig()
    settings.logConfig.level = settings.logConfig.consoleLevel = 0
    settings.uaConfig.maxCalls = 10_000  # the library takes it back to what it was built for
    endpoint.libInit(settings)
    print(f"version={endpoint.libVersion().full} legs={library.pjsua_call_get_max_count()}", flush=True)  # noqa: T201
    os._exit(0)  # nothing was started; ending the library would take a second


if __name__ == "__main__":
    main()
