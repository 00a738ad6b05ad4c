"""Comments and attachments that wait for the outcome of an operation (DESIGN R5, R6)."""

from datetime import datetime

from syncd.core.state import Held
from syncd.intake import IntakeConfig
from syncd.intake.decide import preview_link
from syncd.model.ids import LinkRow
from syncd.store.database import Tx


def held_of(tx: Tx, link_id: LinkRow, config: IntakeConfig, now: datetime) -> tuple[Held, ...]:
    """List what a link would hold if it were decided about now; nothing if it cannot be."""
    preview = preview_link(tx, link_id, config, now)
    return () if preview is None else preview.plan.held
