"""No memory of a process of ours reaches the disk: it holds keys, passwords and the numbers of callers.

A unit of systemd has `LimitCORE=0`. This is for the same programs run by hand, and for a box whose systemd was told
otherwise.
"""

from __future__ import annotations

import resource

_NO_PIPE = 1
"""Linux asks no limit before it pipes a dump to the program in core_pattern, but of one byte it pipes nothing; and no
file is so short. Source: coredump_pipe and elf_core_dump in fs/coredump.c and fs/binfmt_elf.c; core(5)."""


def forbid_core_dumps() -> None:
    """For this process and all it starts, for good: the hard limit goes too. Safe to repeat."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 0 if hard == 0 else _NO_PIPE
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
