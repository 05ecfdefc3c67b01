"""Conditions on rows: --where on the command line.

::

    FIELD OP VALUE      status_code=ERROR      duration_nano>=5e6      body~time.?out
                        attributes["http.route"]=/cart                 attributes["retries"]>2

FIELD is a column, or an entry of a map column. OP is = != > >= < <= ~ (a regular expression, of RE2, is found
in it) or !~. Texts are compared as such; with > >= < <= the texts of attributes that are numbers are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .when import time

if TYPE_CHECKING:
    import pyarrow as pa

_FORM = re.compile(
    r"""(\w+)(?:\[\s*(?:"([^"]*)"|'([^']*)'|([^\]"']+?))\s*\])?\s*(!=|>=|<=|!~|=|>|<|~)\s*(.*)""", re.S
)
_COMPARE = {
    "=": "equal",
    "!=": "not_equal",
    ">": "greater",
    ">=": "greater_equal",
    "<": "less",
    "<=": "less_equal",
}


@dataclass(frozen=True)
class Condition:
    """One that rows meet or not; a row without the value never does."""

    column: str
    key: str | None  # of a map
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raises ConfigError."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ConfigError(
                f'--where {text}: want COLUMN=VALUE or attributes["KEY"]=VALUE, with = != > >= < <= ~ or !~'
            )
        column, *keys, operator, value = match.groups()
        key = next((key for key in keys if key is not None), None)
        if operator in ("~", "!~"):
            _check_expression(text, value)
        return cls(column, key, operator, value)

    def mask(self, table: pa.Table) -> Any:
        """Which rows of a table, whose text is plain, meet it. Raises ConfigError."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = self._values(table)
        try:
            return pc.fill_null(self._compare(values), False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, ValueError) as error:
            raise ConfigError(f"{self}: {self.value!r} does not go with {values.type}") from error

    def _values(self, table: pa.Table) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.column not in table.schema.names:
            raise ConfigError(f"{self}: there is no column {self.column}")
        values = table.column(self.column)
        if pa.types.is_map(values.type):
            if self.key is None:
                raise ConfigError(f'{self}: want a key, such as {self.column}["http.route"]')
            return pc.map_lookup(values, pa.scalar(self.key), "last")
        if self.key is not None:
            raise ConfigError(f"{self}: {self.column} is no map")
        return values

    def _compare(self, values: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.operator in ("~", "!~"):
            found = pc.match_substring_regex(values, self.value)
            return found if self.operator == "~" else pc.invert(found)
        compare = getattr(pc, _COMPARE[self.operator])
        if self.key is not None and self.operator not in ("=", "!="):
            numbers = pc.if_else(pc.match_substring_regex(values, _NUMBER), values, None)
            return compare(pc.cast(numbers, pa.float64()), pa.scalar(float(self.value)))
        return compare(values, _scalar(self.value, values.type))

    def __str__(self) -> str:
        key = "" if self.key is None else f'["{self.key}"]'
        return f"{self.column}{key}{self.operator}{self.value}"


_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def _check_expression(text: str, expression: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.scalar(""), expression)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"--where {text}: {error}") from error


def _scalar(text: str, kind: pa.DataType) -> Any:
    """A value of a column's type. Raises ValueError, or ArrowInvalid."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind):
        return pa.scalar(bytes.fromhex(text), kind)
    if pa.types.is_timestamp(kind):
        return pa.scalar(time(text), pa.timestamp("us", tz="UTC")).cast(kind)
    if pa.types.is_boolean(kind):
        return (
            pa.scalar({"true": True, "false": False}[text.lower()]) if text.lower() in _BOOLS else _odd(text)
        )
    if pa.types.is_integer(kind):
        return pa.scalar(int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text))
    return pa.scalar(text).cast(kind)


_BOOLS = ("true", "false")


def _odd(text: str) -> Any:
    raise ValueError(text)


def meet(table: pa.Table, conditions: list[Condition]) -> pa.Table:
    """The rows that meet all of them."""
    for condition in conditions:
        if table.num_rows:
            table = table.filter(condition.mask(table))
    return table
