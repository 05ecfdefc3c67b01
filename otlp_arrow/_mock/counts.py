"""How many requests a mock service has answered, and how."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of a signal: accepted whole, accepted but for some items, refused with an error."""

    accepted: int = 0
    partial: int = 0
    refused: int = 0

    @property
    def answered(self) -> int:
        """All of them."""
        return self.accepted + self.partial + self.refused

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) - getattr(other, name) for name in _NAMES))

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, name)} {name}" for name in _NAMES if getattr(self, name)) or "none"


_NAMES = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True)
class Requests:
    """Counts for each signal."""

    traces: Counts = Counts()
    metrics: Counts = Counts()
    logs: Counts = Counts()

    @property
    def answered(self) -> int:
        """The requests of all signals, however they were answered."""
        return sum(counts.answered for counts in vars(self).values())

    def __sub__(self, other: Requests) -> Requests:
        return Requests(*(getattr(self, name) - getattr(other, name) for name in vars(self)))

    @classmethod
    def of(cls, told: dict[str, dict[str, dict[str, int]]], transport: str | None = None) -> Requests:
        """Of what oa_requests tells, over one transport or all."""
        signals: dict[str, Any] = {}
        for signal, ways in told.items():
            counts = [Counts(**each) for way, each in ways.items() if transport in (None, way)]
            signals[signal] = sum(counts, Counts())
        return cls(**signals)
