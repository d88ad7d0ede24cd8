from __future__ import annotations

import pytest

from airflow_kjo._lines import LONGEST, MANY, TOGETHER, LineBuffer


def lines_of(*chunks: bytes) -> list[str]:
    buffer = LineBuffer()
    for chunk in chunks:
        buffer.feed(chunk)
    buffer.end()
    return [line for lines in iter(buffer.take, []) for line in lines]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"no newline at the end", ["no newline at the end"]),
        (b"a\r\nb\r\n\r\n", ["a", "b", ""]),
        (b"10%\r20%\rdone\n", ["10%\r20%\rdone"]),
        (b"  spaces stay  \n", ["  spaces stay  "]),
        ("grüße €😀\n".encode(), ["grüße €😀"]),
        (b"bad \xff\xfe byte\n", ["bad \\xff\\xfe byte"]),
        (b"cut \xe2\x82\nnext\n", ["cut \\xe2\\x82", "next"]),
    ],
)
def test_lines_are_the_same_wherever_the_reads_cut_them(text: bytes, expected: list[str]) -> None:
    assert lines_of(text) == expected
    assert lines_of(*(text[i : i + 1] for i in range(len(text)))) == expected
    for cut in range(len(text)):
        assert lines_of(text[:cut], text[cut:]) == expected


def test_a_line_is_given_out_as_soon_as_it_has_ended() -> None:
    buffer = LineBuffer()
    buffer.feed(b"first\nsec")
    assert buffer.take() == ["first"]
    assert buffer.take() == []
    buffer.feed(b"ond\n")
    assert buffer.take() == ["second"]


def test_a_line_of_a_megabyte_stays_whole() -> None:
    line = b"x" * 1_000_000
    assert lines_of(*[line[i : i + 65536] for i in range(0, len(line), 65536)], b"\r\n") == [
        line.decode()
    ]


def test_a_line_without_end_comes_in_pieces_that_cut_no_character() -> None:
    text = "a" + "€" * LONGEST
    data = text.encode()
    pieces = lines_of(*[data[i : i + 65536] for i in range(0, len(data), 65536)])
    assert len(pieces) > 2
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= LONGEST + 1 for piece in pieces)


def test_a_burst_is_given_out_in_small_groups_to_its_last_line() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x\n" * (MANY - 1))
    assert [len(lines) for lines in iter(buffer.take, [])] == [1] * (MANY - 1)
    buffer.feed(b"x\n" * (MANY + 5))
    groups = [len(lines) for lines in iter(buffer.take, [])]
    assert sum(groups) == MANY + 5
    assert max(groups) == TOGETHER
    assert len(groups) == (MANY + 5) // TOGETHER + 1
    buffer.feed(b"a\nb\n")
    assert buffer.take() == ["a"]


def test_long_lines_make_small_groups() -> None:
    buffer = LineBuffer()
    buffer.feed((b"x" * 9000 + b"\n") * MANY)
    assert {len(lines) for lines in iter(buffer.take, [])} == {1}
