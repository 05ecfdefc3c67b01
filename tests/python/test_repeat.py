"""Text that repeats is plain as any other."""

import random

import pyarrow as pa
import pytest

from otlp_arrow._read import repeat as _repeat
from otlp_arrow._read.plain import plain, plain_type
from otlp_arrow._read.repeat import Repeats

TEXT = pa.dictionary(pa.int32(), pa.utf8())
MAP = pa.map_(TEXT, TEXT)


@pytest.fixture(autouse=True)
def _few_values(monkeypatch):
    monkeypatch.setattr(_repeat, "_LEAST", 4)
    monkeypatch.setattr(_repeat, "_UNIT", 8)


def check(*chunks):
    """What is made of chunks is what a cast makes of them; returns how many texts were copied."""
    column = pa.chunked_array(chunks, chunks[0].type)
    kind = plain_type(column.type)
    repeats = Repeats()
    made = repeats.plain(column, kind)
    made.validate(full=True)
    assert made.type == kind
    assert made.equals(plain(column, kind))
    return len(repeats._known)


def words(*texts):
    return pa.array(texts, pa.utf8()).dictionary_encode()


def maps(rows):
    return pa.array(rows, pa.map_(pa.utf8(), pa.utf8())).cast(MAP)


def test_one_value():
    assert check(words(*["a"] * 9), words(*["a"] * 9), words(*["b"] * 9), words(*[""] * 100)) == 3
    assert check(words(*["a"] * 9), words(*["a"] * 99), words(*["a"] * 5)) == 1
    assert 0 < check(*(words(*[str(n)] * 9) for n in range(100))) <= 32
    assert check(pa.concat_arrays([words("b", *["a"] * 20)]).slice(1)) == 1
    assert check(words("a", "a", "a")) == 0
    assert check(words(*["a"] * 9, "b")) == 0
    assert check(words(*["a"] * 9, None)) == 0
    assert check(words(*[None] * 9)) == 0
    assert check(pa.array(["a"] * 9).cast(pa.dictionary(pa.int8(), pa.utf8()))) == 0


def test_keys_of_maps():
    rows = [[("x", str(n)), ("y", None)] for n in range(9)]
    assert check(maps(rows)) == 1
    assert check(maps([[("x", "1"), ("y", "2")]] * 9)) == 2
    assert check(maps(rows), maps([*rows, [("x", "1")]]), maps(rows)) == 1
    assert check(maps([*rows, []])) == 1
    assert check(maps([[], *rows])) == 0
    assert check(maps([*rows, None])) == 0
    assert check(maps(rows).slice(2)) == 0
    assert check(maps([[]] * 9)) == 0
    assert check(pa.array(rows, pa.map_(pa.utf8(), pa.utf8()))) == 0
    assert check(maps([])) == 0


def test_any_columns():
    r = random.Random(2)
    for _ in range(300):
        keys = [r.choice("abc") for _ in range(r.randrange(1, 4))]
        rows = []
        for _ in range(r.randrange(12)):
            row = {key: r.choice(["", "v", "ü\0"]) for key in keys}
            if r.random() < 0.05:
                row.popitem()
            rows.append(list(row.items()))
        check(maps(rows), maps(rows[1:]))
        check(words(*(r.choice(keys) for _ in range(r.randrange(12)))))


def test_more_text_than_a_column_holds(monkeypatch):
    def over(*_):
        raise pa.ArrowInvalid("offset overflow while concatenating arrays")

    monkeypatch.setattr(_repeat, "_copies", over)
    assert check(words(*["a"] * 9)) == 0
