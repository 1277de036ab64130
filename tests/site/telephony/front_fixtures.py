"""Fixtures of the live tests of the front: a file with `pytest_plugins = ["front_fixtures"]` gets its own front."""

from __future__ import annotations

from collections.abc import Iterator

import front_bench
import pytest
from front_bench import Bench


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with front_bench.running(tmp_path_factory.mktemp("f")) as bench:
        yield bench


@pytest.fixture
def bench(front: Bench) -> Iterator[Bench]:
    yield front
    front.quiet()
