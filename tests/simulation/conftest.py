"""The quiet that stories are played in."""

from collections.abc import Iterator

import pytest

from tests.simulation.many import undisturbed


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Play without logs and the garbage collector's worst."""
    with undisturbed():
        yield
