"""Requests of every kind, drawn from a seed, as OTLP/JSON documents.

They hold all that otel-arrow/go v0.24.0, on the other side, can carry; the comments name what it cannot.
"""

import random

SIGNALS = ("traces", "metrics", "logs")
START = 1_700_000_000_000_000_000

Document = dict[str, object]


class Maker:
    """Draws documents. Names come from small pools, so that dictionaries and runs of equal values arise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._clock = START

    def document(self, signal: str, items: int) -> Document:
        make = {"traces": self._span, "metrics": self._metric, "logs": self._record}[signal]
        resources, scopes, root = {
            "traces": ("resourceSpans", "scopeSpans", "spans"),
            "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
            "logs": ("resourceLogs", "scopeLogs", "logRecords"),
        }[signal]
        containers = []
        while items > 0:
            groups = []
            for _ in range(self._random.randint(1, 2)):
                size = min(items, self._random.randint(1, 60))
                items -= size
                if size:
                    scope = self._scope() | {root: [make() for _ in range(size)]}
                    groups.append(scope)
            containers.append(self._resource() | {scopes: groups})
        return {resources: containers}

    def _resource(self) -> Document:
        resource: Document = {"attributes": self._attributes()}
        if self._maybe():
            resource["droppedAttributesCount"] = 2
        return {"resource": resource, "schemaUrl": self._pick("", "https://example/resource/1.2")}

    def _scope(self) -> Document:
        scope: Document = {"name": self._pick("", "lib.a", "lib.b"), "version": self._pick("", "1.0.3")}
        if self._maybe():
            scope |= {"attributes": self._attributes(), "droppedAttributesCount": 1}
        return {"scope": scope, "schemaUrl": self._pick("", "https://example/scope/3")}

    def _span(self) -> Document:
        start = self._time()
        span: Document = {
            "traceId": self._id(16),
            "spanId": self._id(8),
            "name": self._pick("GET /", "POST /orders", "SELECT", "päckchen"),
            "kind": self._random.randint(0, 5),
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + self._random.randint(0, 10**10)),
            "attributes": self._attributes(),
            "status": self._pick({}, {"code": 1}, {"code": 2, "message": "broken"}, {"message": "odd"}),
        }
        if self._maybe():
            span |= {"parentSpanId": self._id(8), "traceState": self._pick("a=b", "c=d,e=f")}
        if self._maybe():
            span |= {"droppedAttributesCount": 1, "droppedEventsCount": 2, "droppedLinksCount": 3}
        span["events"] = [self._event() for _ in range(self._random.choice((0, 0, 1, 3)))]
        span["links"] = [self._link() for _ in range(self._random.choice((0, 0, 1, 2)))]
        return span

    def _event(self) -> Document:
        return {
            "timeUnixNano": str(self._time()),
            "name": self._pick("", "exception", "retry"),
            "attributes": self._attributes(),
            "droppedAttributesCount": self._pick(0, 4),
        }

    def _link(self) -> Document:
        return {
            "traceId": self._id(16),
            "spanId": self._id(8),
            "traceState": self._pick("", "x=y"),
            "attributes": self._attributes(),
            "droppedAttributesCount": self._pick(0, 5),
        }

    def _record(self) -> Document:
        record: Document = {
            "timeUnixNano": str(self._time()),
            "observedTimeUnixNano": str(self._time()),
            "severityNumber": self._random.randint(0, 24),
            "severityText": self._pick("", "INFO", "WARN"),
            "body": self._value(2),
            "attributes": self._attributes(),
            "droppedAttributesCount": self._pick(0, 1),
            "flags": self._pick(0, 1, 257),
        }
        if self._maybe():
            record |= {"traceId": self._id(16), "spanId": self._id(8)}
        return record

    def _metric(self) -> Document:
        # Its name is its own: the reference joins metrics of one name in a scope.
        metric: Document = {
            "name": f"metric.{self._id(4)}",
            "unit": self._pick("", "By", "ms"),
            "description": self._pick("", "how many"),
        }
        kind = self._pick("gauge", "sum", "histogram", "exponentialHistogram", "summary")
        point = {
            "gauge": self._number,
            "sum": self._number,
            "histogram": self._histogram,
            "exponentialHistogram": self._exponential,
            "summary": self._summary,
        }[kind]
        data: Document = {"dataPoints": [self._point() | point() for _ in range(self._random.randint(1, 4))]}
        if kind in ("sum", "histogram", "exponentialHistogram"):
            data["aggregationTemporality"] = self._random.randint(0, 2)
        if kind == "sum":
            data["isMonotonic"] = self._maybe()
        return metric | {kind: data}

    def _point(self) -> Document:
        return {
            "startTimeUnixNano": str(self._time()),
            "timeUnixNano": str(self._time()),
            "attributes": self._attributes(),
            "flags": self._pick(0, 1),
        }

    def _number(self) -> Document:
        value = {"asInt": str(self._integer())} if self._maybe() else {"asDouble": self._double()}
        return value | {"exemplars": self._exemplars()}

    def _exemplars(self) -> list[Document]:
        return [self._exemplar() for _ in range(self._random.choice((0, 0, 1, 2)))]

    def _exemplar(self) -> Document:
        value = {"asInt": str(self._integer())} if self._maybe() else {"asDouble": self._double()}
        ids = {"traceId": self._id(16), "spanId": self._id(8)} if self._maybe() else {}
        return value | ids | {"timeUnixNano": str(self._time()), "filteredAttributes": self._attributes()}

    def _extremes(self) -> Document:
        # Not 0, which the reference takes for none.
        return {"sum": 12.5, "min": -0.5, "max": 9.25} if self._maybe() else {}

    def _histogram(self) -> Document:
        counts = [self._random.randint(0, 2**40) for _ in range(4)]
        return self._extremes() | {
            "count": str(sum(counts)),
            "bucketCounts": [str(n) for n in counts],
            "explicitBounds": [0.5, 1.0, 2.5],
            "exemplars": self._exemplars(),
        }

    def _exponential(self) -> Document:
        return self._extremes() | {
            "count": str(self._random.randint(1, 2**50)),
            "scale": self._random.randint(-3, 20),
            "zeroCount": str(self._random.randint(0, 9)),
            "positive": {"offset": self._random.randint(-9, 9), "bucketCounts": ["1", "0", "7"]},
            "negative": {"offset": 3, "bucketCounts": ["2"]} if self._maybe() else {},
            "exemplars": self._exemplars(),
        }

    def _summary(self) -> Document:
        return {
            "count": str(self._random.randint(0, 10**6)),
            "sum": 4.75,
            "quantileValues": [{"quantile": q, "value": self._double()} for q in (0.0, 0.5, 0.99)],
        }

    def _attributes(self) -> list[Document]:
        # Each with a key and a value: the reference leaves others out.
        keys = ("http.route", "user.id", "ok", "ratio", "blob", "tags", "nested", "host")
        chosen = self._random.sample(keys, self._random.choice((0, 1, 2, 5)))
        return [{"key": key, "value": self._value(2)} for key in chosen]

    def _value(self, depth: int) -> Document:
        kinds = ["stringValue"] * 4 + ["intValue", "doubleValue", "boolValue", "bytesValue"]
        kind = self._pick(*kinds, *(["arrayValue", "kvlistValue"] if depth else []))
        if kind == "arrayValue":
            return {kind: {"values": [self._value(depth - 1) for _ in range(self._random.randint(0, 3))]}}
        if kind == "kvlistValue":
            keys = self._random.sample(("a", "b", "c"), self._random.randint(0, 3))
            return {kind: {"values": [{"key": key, "value": self._value(depth - 1)} for key in keys]}}
        plain = {
            "stringValue": self._pick("/orders", "x" * 300, "ü€😀", "host-1", "host-2", ""),
            "intValue": str(self._integer()),
            "doubleValue": self._double(),
            "boolValue": self._maybe(),
            "bytesValue": self._pick("AAEC", "/w=="),
        }
        return {kind: plain[kind]}

    def _integer(self) -> int:
        return self._pick(0, 1, -1, 200, self._random.randint(-(2**63), 2**63 - 1))

    def _double(self) -> float:
        return self._pick(0.25, 1.0, -3.5e200, self._random.random())

    def _time(self) -> int:
        self._clock += self._random.randint(1, 10**9)
        return self._clock

    def _id(self, size: int) -> str:
        return self._random.randbytes(size).hex()

    def _maybe(self) -> bool:
        return self._random.random() < 0.5

    def _pick(self, *choices):
        return self._random.choice(choices)


def requests(signal: str) -> list[Document]:
    """Some 5,000 items in requests of several sizes: what a stream has sent binds what it sends later."""
    maker = Maker(SIGNALS.index(signal))
    return [maker.document(signal, size) for size in [1, 5, 300, 40, 2, 700, 1, 1500] + [60] * 40]
