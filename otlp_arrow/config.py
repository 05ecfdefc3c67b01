"""Keyword arguments and environment -> the one JSON text that the core checks.

The core knows the settings; this module only says where they come from. Later ones win: config file,
OTLP_* environment, keyword arguments or flags. The environment is read here, since Go keeps the one of the
moment its runtime started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "OTLP_"
LISTENERS = ("otlp_grpc", "otlp_http", "arrow", "health", "metrics")


class Unset(Enum):
    """Tells "not given" from None, which closes a listener."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

StrPath = str | os.PathLike[str]


def listener(address: object) -> object:
    """The setting for a listener: "host:port" opens it, None leaves it closed. A mapping with an endpoint
    opens it unless it says otherwise. UNSET stays what it is."""
    if address is UNSET:
        return UNSET
    if address is None:
        return {"enabled": False}
    if isinstance(address, str):
        return {"enabled": True, "endpoint": address}
    if not isinstance(address, Mapping):
        raise ConfigError(f'{address!r} is no address: want "host:port", None or a mapping of settings')
    return {"enabled": True, **address} if "endpoint" in address else dict(address)


def sources(
    values: Mapping[str, object],
    *,
    assignments: Sequence[str] = (),
    config_file: StrPath | None = None,
    embedded: bool,
    mock: bool = False,
) -> bytes:
    """The sources of a configuration, as oa_resolve and oa_open take them.

    values are nested settings; those that are UNSET are left out. assignments are "KEY.PATH=VALUE", the last
    wins. embedded leaves listeners closed that nothing asks for. mock is for oa_script, and leaves the
    environment out: what a service has to do is no matter of a test. Raises ConfigError for a value that
    JSON cannot hold.
    """
    given = {key: value for key, value in values.items() if value is not UNSET}
    document: dict[str, object] = {
        "env": {} if mock else {name: os.environ[name] for name in os.environ if name.startswith(PREFIX)},
        "values": given,
        "set": list(assignments),
        "embedded": embedded,
        **({"mock": True} if mock else {}),
    }
    if config_file is not None:
        document["file"] = os.fspath(config_file)
    try:
        return json.dumps(document, default=_plain, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ConfigError("a setting holds text that is not UTF-8") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a setting cannot be used: {error}") from None


def with_value(sources: bytes, key: str, value: object) -> bytes:
    """Sources in which a top setting has a value, whatever they said of it."""
    document = json.loads(sources)
    document["values"][key] = value
    return json.dumps(document).encode()


def without_listeners(sources: bytes) -> bytes:
    """Sources in which no listener is open, whatever they and the environment said of it."""
    document = json.loads(sources)
    document["set"] += [f"{name}.enabled=false" for name in LISTENERS]
    return json.dumps(document).encode()


def _plain(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no text, number, bool, list or dict")  # it may be a key
