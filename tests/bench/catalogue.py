"""Every row of DESIGN section 10, in its order, and creates through the gateway."""

from collections.abc import Sequence

from tests.bench.harness import Bench, Goal, Of, Row, Setting, not_measured

LATER = "comes with its issue"


async def _later(setting: Setting) -> list[Row]:
    return [
        not_measured("four-processes", LATER, Goal(bound=3.8, at_least=True, of=Of.RATIO)),
    ]


def benches() -> Sequence[Bench]:
    """Import and list all benches."""
    from tests.bench import (
        attachments,
        containment,
        daemon,
        delivery,
        latency,
        polls,
        providers,
        quiet,
        served,
    )

    return [
        *delivery.benches(),
        *quiet.benches(),
        *polls.benches(),
        *providers.benches(),
        *latency.benches(),
        *daemon.benches(),
        *attachments.benches(),
        *served.benches(),
        *containment.benches(),
        Bench(rows=("four-processes",), run=_later),
    ]
