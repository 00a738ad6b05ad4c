"""The garbage collector of a daemon."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from syncd.app.collector import YOUNG_MAX, calm


class _Node:
    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def collector() -> Iterator[None]:
    before, was_on = gc.get_threshold(), gc.isenabled()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    (gc.enable if was_on else gc.disable)()


@pytest.mark.usefixtures("collector")
def test_a_collector_that_was_off_at_the_start_frees_what_the_daemon_leaves_in_cycles() -> None:
    gc.disable()
    calm()
    gone = weakref.ref(_Node())
    kept = [[] for _ in range(2 * YOUNG_MAX)]  # type: ignore[var-annotated]
    assert gone() is None
    assert kept
