"""By which names the hub's pages may be asked for. Pure.

A page of elsewhere can have its own name point to this machine, and would then read us as itself (DNS rebinding): that
always takes a name, so addresses are answered, and of names only ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

LOCAL = "localhost"


def is_foreign(host: str, names: Collection[str] = ()) -> bool:
    """`host`: of the request, with or without a port. `names`: ours, besides `localhost`."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower() not in (LOCAL, *names) and not _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
