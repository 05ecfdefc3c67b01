"""Random objects of the OpenTelemetry SDK, of all kinds that it can hand to an exporter."""

from __future__ import annotations

import math
import random
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

TEXTS = ["", "a", "/orders/{id}", "grün\0", "日本語 🎉", "x" * 127, "y" * 128, "z" * 20_000]
INTS = [0, 1, -1, 127, 128, 16383, 16384, 2**31, 2**63 - 1, -(2**63)]
DOUBLES = [0.0, -0.0, 1.0, 0.1, 1e300, math.nan, math.inf, -math.inf]
KEYS = ["http.route", "http.response.status_code", "k", "schlüssel", "n" * 200]


class Objects:
    """A source of objects; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.contexts = 0
        self.resources = [Resource(self.attributes() | {"number": n}, self.url()) for n in range(3)]
        self.scopes = [
            InstrumentationScope(f"scope {n}", self.maybe("1.2"), self.url(), self.attributes())
            for n in range(3)
        ]

    def maybe(self, value: Any) -> Any:
        return value if self.random.random() < 0.6 else None

    def several(self, make: Any, most: int = 3) -> list[Any]:
        return [make() for _ in range(self.random.randint(0, most))]

    def url(self) -> str | None:
        return self.maybe(f"https://example.org/{self.random.randint(1, 2)}")

    def time(self) -> int:
        return self.random.choice([0, 1, 1_700_000_000_000_000_000, 2**64 - 1])

    def id(self, bits: int) -> int:
        return self.random.choice([1, 2**bits - 1, self.random.getrandbits(bits) | 1])

    def value(self, depth: int = 0) -> Any:
        kind = self.random.randint(0, 5 if depth > 2 else 8)
        if kind >= 7:
            return {self.random.choice(KEYS): self.value(depth + 1) for _ in range(kind - 5)}
        if kind == 6:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        choices = (TEXTS, INTS, DOUBLES, [True, False], [b"", b"\0\xff" * 70], [None])
        return self.random.choice(choices[kind])

    def attributes(self) -> dict[str, Any]:
        return {self.random.choice(KEYS): self.value() for _ in range(self.random.randint(0, 5))}

    def bounded(self) -> Any:
        """What spans and records hold: bounded attributes, some dropped, or a plain dict, or nothing."""
        values = self.attributes()
        return self.random.choice([values, None, BoundedAttributes(self.maybe(2), values, immutable=False)])

    def dropping(self, items: list[Any]) -> Any:
        """A list as a span has it, of which some may have been dropped."""
        bounded = BoundedList(self.maybe(1))
        bounded.extend(items)
        return self.random.choice([bounded, tuple(items)])

    def context(self) -> SpanContext:
        states = [TraceState(), TraceState([("vendor", "x"), ("other", "y")])]
        self.contexts += 1
        return SpanContext(
            self.id(64) << 64 | self.contexts,  # no two have the same
            self.id(64),
            self.random.random() < 0.5,
            TraceFlags(self.random.randint(0, 1)),
            self.random.choice(states),
        )

    # --- traces ---

    def spans(self, count: int) -> list[ReadableSpan]:
        return [self.span() for _ in range(count)]

    def span(self) -> ReadableSpan:
        return ReadableSpan(
            self.random.choice(TEXTS),
            self.context(),
            self.maybe(self.context()),
            self.random.choice(self.resources),
            self.bounded(),
            self.dropping(self.several(self.event)),
            self.dropping(self.several(self.link)),
            self.random.choice(list(SpanKind)),
            None,
            self.random.choice([Status(StatusCode.ERROR, "läuft nicht"), Status(StatusCode.OK), Status()]),
            self.maybe(self.time()),
            self.maybe(self.time()),
            self.maybe(self.random.choice(self.scopes)),
        )

    def event(self) -> Event:
        return Event(self.random.choice(TEXTS), self.bounded(), self.time())

    def link(self) -> Link:
        return Link(self.context(), self.bounded())

    # --- logs ---

    def records(self, count: int) -> list[ReadableLogRecord]:
        return [self.record() for _ in range(count)]

    def record(self) -> ReadableLogRecord:
        context = set_span_in_context(NonRecordingSpan(self.context()))
        record = LogRecord(
            timestamp=self.maybe(self.time()),
            observed_timestamp=self.maybe(self.time()),
            context=self.maybe(context),
            severity_text=self.maybe("WARN"),
            severity_number=self.maybe(self.random.choice(list(SeverityNumber))),
            body=self.value(),
            attributes=self.bounded(),
            event_name=self.maybe("db.failed"),
        )
        scope = self.maybe(self.random.choice(self.scopes))
        return ReadableLogRecord(record, self.random.choice(self.resources), scope)

    # --- metrics ---

    def metrics(self, count: int) -> MetricsData:
        """Each resource once and in it each scope once, as the SDK's readers group them."""
        return MetricsData(
            [
                ResourceMetrics(
                    resource,
                    [ScopeMetrics(scope, [self.metric() for _ in range(count)], "") for scope in self.scopes],
                    "",
                )
                for resource in self.resources
            ]
        )

    def metric(self) -> Metric:
        temporality = self.random.choice(list(AggregationTemporality))
        data = self.random.choice(
            [
                lambda: Gauge(self.several(lambda: self.number(None))),
                lambda: Sum(self.several(lambda: self.number(self.time())), temporality, True),
                lambda: Sum([self.number(self.time())], temporality, False),
                lambda: Histogram(self.several(self.histogram), temporality),
                lambda: ExponentialHistogram(self.several(self.exponential), temporality),
            ]
        )()
        return Metric(self.random.choice(TEXTS), self.maybe("what it is"), self.maybe("s"), data)

    def number(self, start: int | None) -> NumberDataPoint:
        return NumberDataPoint(
            self.attributes(), start, self.time(), self.random.choice(INTS + DOUBLES), self.exemplars()
        )

    def exemplars(self) -> list[Exemplar]:
        return self.several(self.exemplar, 2)

    def exemplar(self) -> Exemplar:
        known = self.random.random() < 0.5
        return Exemplar(
            self.attributes(),
            self.random.choice(INTS + DOUBLES),
            self.time(),
            self.id(64) if known else None,
            self.id(128) if known else None,
        )

    def histogram(self) -> HistogramDataPoint:
        return HistogramDataPoint(
            self.attributes(),
            self.time(),
            self.time(),
            self.random.choice([0, 3, 2**64 - 1]),
            self.random.choice([0, 7, 0.5]),
            self.random.choice([[], [1, 0, 2**64 - 1]]),
            self.random.choice([[], [0.1, 1e9]]),
            self.random.choice([0.0, math.inf]),
            self.random.choice([-math.inf, 8.5]),
            self.exemplars(),
        )

    def exponential(self) -> ExponentialHistogramDataPoint:
        def buckets() -> Buckets:
            return Buckets(self.random.choice([0, -3, 900]), self.random.choice([[], [0, 1, 128, 2**64 - 1]]))

        return ExponentialHistogramDataPoint(
            self.attributes(),
            self.time(),
            self.time(),
            self.random.choice([0, 3]),
            self.random.choice([0, 7, 0.5]),
            self.random.choice([-10, 0, 20]),
            self.random.choice([0, 2]),
            buckets(),
            buckets(),
            self.random.choice([0, 1]),
            0.25,
            8.5,
            self.exemplars(),
        )
