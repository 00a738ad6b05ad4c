"""What must hold is stated, and stops where it does not."""

import pytest

from syncd.model.errors import BrokenInvariant, needed
from syncd.model.ids import OperationKey
from syncd.model.operation import Write, WriteKind


def test_what_must_be_there_is_given_and_its_absence_stops() -> None:
    assert needed(0, "a number is there") == 0
    with pytest.raises(BrokenInvariant, match="a number is there"):
        needed(None, "a number is there")


def test_a_write_without_a_target_or_comment_is_a_bug_and_says_which() -> None:
    write = Write(kind=WriteKind.COMMENT, key=OperationKey("k"), ticket_kind="ticket")
    with pytest.raises(BrokenInvariant, match="names its id"):
        _ = write.target
    with pytest.raises(BrokenInvariant, match="carries a comment"):
        _ = write.said
