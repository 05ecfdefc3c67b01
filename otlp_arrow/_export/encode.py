"""Objects of the OpenTelemetry SDK -> bodies of OTLP Export requests, without protobuf: what signals share.

::

    request           = 0x0a resource-group ...         repeated, as every top field of the requests
    resource-group    = resource  scope-group ...  [schema url]
    scope-group       = scope     item ...         [schema url]

The field numbers of both groups are those of all three signals. A message inside another one is its field's
tag, its length and its bytes; an attribute is kept as length and bytes, since the tag differs by owner.

What repeats in practice is encoded once: resources and scopes (known by identity; they do not change) and
attributes whose key and value came before. Each memo has a bound and begins anew when it is full.
Nothing here imports the SDK; any thread may call.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MEMO_ENTRIES = 4096
MEMO_BYTES = 256  # an encoded attribute above this is not kept
DEEPEST = 40  # values inside one another; protobuf's parsers read 100 messages, each value is two
_MASK = (1 << 64) - 1
_ONE_BYTE = [bytes((number,)) for number in range(128)]
_double = struct.Struct("<d").pack
fixed64 = struct.Struct("<Q").pack
fixed32 = struct.Struct("<I").pack

Key = TypeVar("Key")
Attributes = Mapping[str, Any]


def varint(number: int) -> bytes:
    """A number of at most 64 bits; a negative one as its two's complement."""
    if 0 <= number < 0x80:
        return _ONE_BYTE[number]
    number &= _MASK
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> bytes:
    """A sint32 or sint64."""
    return varint(number << 1 ^ number >> 63)


def sized(data: bytes) -> bytes:
    """Length and bytes, as text, bytes and messages follow their tag."""
    length = len(data)
    return _ONE_BYTE[length] + data if length < 0x80 else varint(length) + data


def text(value: str) -> bytes:
    """Length and UTF-8. A lone surrogate, which UTF-8 lacks, becomes its escape instead of an error."""
    return sized(value.encode("utf-8", "backslashreplace"))


def time(value: int | None) -> bytes:
    """Nanoseconds since 1970 as fixed64; None is 0, which OTLP reads as not set."""
    return fixed64((value or 0) & _MASK)


class Memo(dict[Key, bytes], Generic[Key]):
    """Bytes by key, made at the first look-up. Keys that are equal must have equal bytes."""

    def __init__(self, make: Callable[[Key], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> bytes:
        made = self._make(key)
        if len(made) <= MEMO_BYTES:
            if len(self) >= MEMO_ENTRIES:
                self.clear()
            self[key] = made
        return made


def any_value(value: Any, depth: int = 0) -> bytes:
    """The AnyValue of a value; of a kind that OTLP lacks, and of a whole number beyond 64 bits, its text."""
    encode = _BY_TYPE.get(type(value))
    if encode is not None:
        return encode(value)
    for kinds, encode in _BY_CLASS:
        if isinstance(value, kinds):
            return encode(value)
    if depth == DEEPEST:
        return _text_value(f"<nested deeper than {DEEPEST}>")
    if isinstance(value, Mapping):
        entries = (_key_value(key, each, depth + 1) for key, each in plain(value).items())
        return b"\x32" + sized(_repeated(b"\x0a", entries))
    if isinstance(value, Sequence):
        return b"\x2a" + sized(_repeated(b"\x0a", (sized(any_value(each, depth + 1)) for each in value)))
    return _text_value(str(value))


def _repeated(tag: bytes, messages: Iterable[bytes]) -> bytes:
    return b"".join(tag + message for message in messages)


_keys: Memo[str] = Memo(lambda key: b"\x0a" + text(key) + b"\x12")


def _key_value(key: object, value: Any, depth: int = 0) -> bytes:
    return sized(_keys[str(key)] + sized(any_value(value, depth)))


def _text_value(value: str) -> bytes:
    return b"\x0a" + text(value)


def _int_value(value: int) -> bytes:
    if -(1 << 63) <= value < 1 << 63:
        return b"\x18" + varint(value)
    return _text_value(str(value))


def _bool_value(value: bool) -> bytes:
    return b"\x10\x01" if value else b"\x10\x00"


def _double_value(value: float) -> bytes:
    return b"\x21" + _double(value)


def _bytes_value(value: bytes) -> bytes:
    return b"\x3a" + sized(bytes(value))


_BY_TYPE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"",
    str: _text_value,
    int: _int_value,
    bool: _bool_value,
    float: _double_value,
    bytes: _bytes_value,
}
_BY_CLASS: tuple[tuple[type | tuple[type, ...], Callable[[Any], bytes]], ...] = (
    (str, _text_value),
    (int, _int_value),
    (float, _double_value),
    ((bytes, bytearray, memoryview), _bytes_value),
)


class _Unkept:
    """Looks like a memo and keeps nothing: doubles (0.0 == -0.0), and kinds that are rare or do not hash."""

    def __getitem__(self, item: tuple[str, Any]) -> bytes:
        return _key_value(*item)


_unkept = _Unkept()


def _memo(encode: Callable[[Any], bytes]) -> Memo[tuple[str, Any]]:
    return Memo(lambda item: sized(_keys[str(item[0])] + sized(encode(item[1]))))


# One for each type, as True == 1.
_memos = {kind: _memo(encode) for kind, encode in _BY_TYPE.items() if kind in (str, int, bool)}


def attributes(tag: bytes, values: Attributes | None) -> bytes:
    """Each attribute as the field of a tag."""
    if not values:
        return b""
    of = _memos.get
    return tag + tag.join([of(type(item[1]), _unkept)[item] for item in plain(values).items()])


def plain(values: Attributes) -> Attributes:
    """A dict of values: the SDK's own mappings answer each look-up in Python, and others may change them."""
    copy = getattr(values, "copy", None)
    return values if copy is None else copy()


# --- resources and scopes ---

Group = tuple[bytes, bytes]  # what stands before the messages of a group, and behind


class _ById:
    """Groups by the identity of what they were made of, which is kept, so that no other takes its place."""

    def __init__(self, make: Callable[[Any], Group]) -> None:
        self._make = make
        self._known: dict[int, tuple[object, Group]] = {}

    def __call__(self, source: object) -> Group:
        found = self._known.get(id(source))
        if found is not None:
            return found[1]
        if len(self._known) >= MEMO_ENTRIES:
            self._known.clear()
        group = self._make(source)
        self._known[id(source)] = source, group
        return group


def _schema_url(source: Any) -> bytes:
    url = getattr(source, "schema_url", None)
    return b"\x1a" + text(url) if url else b""


def _resource(source: Any) -> Group:
    values = getattr(source, "attributes", None)
    return b"\x0a" + sized(attributes(b"\x0a", values)), _schema_url(source)


def _scope(source: Any) -> Group:
    if source is None:
        return b"\x0a\x00", b""
    scope = b"\x0a" + text(source.name or "")
    if source.version:
        scope += b"\x12" + text(source.version)
    scope += attributes(b"\x1a", getattr(source, "attributes", None))
    return b"\x0a" + sized(scope), _schema_url(source)


_resource_of, _scope_of = _ById(_resource), _ById(_scope)


class Request:
    """Items by resource and scope, in the order in which these came first."""

    def __init__(self) -> None:
        self._groups: dict[Group, dict[Group, list[bytes]]] = {}

    def items(self, resource: object, scope: object) -> list[bytes]:
        """The list that takes the items of a resource and scope (either may be None)."""
        scopes = self._groups.setdefault(_resource_of(resource), {})
        return scopes.setdefault(_scope_of(scope), [])

    def body(self) -> bytes:
        """The request."""
        groups = (
            sized(_group(group, map(_scope_group, scopes.items()))) for group, scopes in self._groups.items()
        )
        return _repeated(b"\x0a", groups)


def _scope_group(entry: tuple[Group, list[bytes]]) -> bytes:
    group, items = entry
    return sized(_group(group, map(sized, items)))


def _group(group: Group, messages: Iterable[bytes]) -> bytes:
    head, tail = group
    return b"".join((head, _repeated(b"\x12", messages), tail))
