"""File names that any system may take."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.core.file_names import NAME_BYTES_MAX, NAMELESS, clean


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\kari\\bilde.png", "bilde.png"),
        ("a\r\nb\tc.txt", "a b c.txt"),
        ("nul\x00l.txt", "null.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("zero\u200bwidth.txt", "zerowidth.txt"),
        ('a<b>c:d"e|f?g*.txt', "a_b_c_d_e_f_g_.txt"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("console.txt", "console.txt"),
        (".htaccess", "htaccess"),
        ("name. . .", "name"),
        ("", NAMELESS),
        ("..", NAMELESS),
        ("folder/", NAMELESS),
        ("  spaced   out  .txt ", "spaced out .txt"),
        ("blåbær.jpg", "blåbær.jpg"),
        ("bla\u030aba\u0308r.jpg", "blåbär.jpg"),
        ("写真.png", "写真.png"),
        ("\udc80x.txt", "x.txt"),
    ],
)
def test_a_name_becomes(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


def test_a_long_name_keeps_its_ending_and_no_character_is_cut_in_two() -> None:
    cleaned = clean("ø" * 500 + ".pdf")
    assert cleaned.endswith("ø.pdf")
    assert len(cleaned.encode()) <= NAME_BYTES_MAX


def test_an_ending_that_is_none_is_cut_with_the_rest() -> None:
    cleaned = clean("a." + "b" * 500)
    assert cleaned.startswith("a.bbb")
    assert len(cleaned) == NAME_BYTES_MAX


NAMES = st.text(st.characters(codec=None)) | st.text(
    alphabet="aA./\\ .:\u0301\u202eCON1ø", max_size=400
)


@given(name=NAMES, bytes_max=st.integers(32, 200))
@example(name="CON" + " " * 300, bytes_max=32)
@example(name="e\u0301" * 100, bytes_max=33)
def test_whatever_comes_in_what_comes_out_is_harmless(name: str, bytes_max: int) -> None:
    cleaned = clean(name, bytes_max=bytes_max)
    assert cleaned
    assert not set(cleaned) & set('/\\<>:"|?*')
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in cleaned)
    assert cleaned == cleaned.strip(" .")
    assert len(cleaned.encode()) <= bytes_max + 1
    assert clean(cleaned, bytes_max=bytes_max + 1) == cleaned
