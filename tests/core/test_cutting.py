"""Texts that are longer than the other side takes."""

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.cutting import ELLIPSIS, cut, fits

LIMITS = st.none() | st.integers(min_value=8, max_value=60)


@given(st.text(max_size=80), LIMITS, LIMITS)
def test_what_is_cut_fits_in_characters_and_bytes_and_loses_nothing(
    text: str, chars_max: int | None, bytes_max: int | None
) -> None:
    kept, rest = cut(text, chars_max, bytes_max)

    assert fits(kept, chars_max, bytes_max)
    if fits(text, chars_max, bytes_max):
        assert (kept, rest) == (text, "")
    else:
        assert kept.endswith(ELLIPSIS)
        assert kept.removesuffix(ELLIPSIS) + rest == text


def test_bytes_count_where_a_letter_has_two() -> None:
    assert cut("å" * 10, 10, 20) == ("å" * 10, "")
    assert cut("å" * 10, 10, 19) == ("å" * 6 + ELLIPSIS, "å" * 4)
