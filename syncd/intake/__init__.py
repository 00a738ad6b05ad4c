"""Intake: what vendors show becomes snapshots, and snapshots become planned writes.

Flow: `Intake.poll` reads a connection's feed and stores what may have changed together with the
cursor; `Intake.drain` takes pushed numbers from the inbox, reads every ticket that is due and
stores its snapshot with the decision about it in one transaction.

Invariants: a cursor moves only with what it covers (R1); a read that overlapped a write of ours
is thrown away by the store and repeated; what cannot be understood is kept, told and tried again,
and never hides another ticket; nothing in here writes to a vendor.
"""

from syncd.intake.config import IntakeConfig, IntakeOptions
from syncd.intake.service import Intake, PollRound, Round

__all__ = ["Intake", "IntakeConfig", "IntakeOptions", "PollRound", "Round"]
