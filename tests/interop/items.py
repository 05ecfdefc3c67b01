"""OTLP/JSON documents as sets of their items, each with its resource and scope.

A Collector may change how items are grouped, and OTAP keeps no order within a batch; all else has to be the
same. This shares no code with what is tested.
"""

import json
from collections import Counter
from collections.abc import Iterator

Message = dict[str, object]

CONTAINERS = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}
KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
# Values of a oneof and optional fields: 0 and none differ.
PRESENT = {
    *("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue"),
    *("asInt", "asDouble", "sum", "min", "max"),
}
INTEGERS = {"intValue", "asInt", "count", "zeroCount", "bucketCounts"}
DOUBLES = {
    *("doubleValue", "asDouble", "sum", "min", "max", "value", "quantile", "zeroThreshold"),
    "explicitBounds",
}
SETS = {"attributes", "filteredAttributes", "metadata", "events", "links", "exemplars"}


def items(signal: str, document: Message) -> Counter[str]:
    """How often each item is in a document; nothing of documents of other signals."""
    resources, scopes, root = CONTAINERS[signal]
    found: Counter[str] = Counter()
    for resource in document.get(resources, []):
        for scope in resource.get(scopes, []):
            around = [
                clean({k: v for k, v in each.items() if k not in (scopes, root)})
                for each in (resource, scope)
            ]
            for item in scope.get(root, []):
                for one in singles(item) if signal == "metrics" else (item,):
                    found[text([*around, clean(one)])] += 1
    return found


def singles(metric: Message) -> Iterator[Message]:
    """A metric for each of its points."""
    for kind in KINDS:
        data = metric.get(kind, {})
        for point in data.get("dataPoints", []):
            yield metric | {kind: data | {"dataPoints": [point]}}


def text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def clean(value: object, name: str = "") -> object:
    """A value without what says nothing, its numbers as numbers and its sets sorted."""
    if isinstance(value, dict):
        return fields(value)
    if isinstance(value, list):
        cleaned = [clean(each, name) for each in value]
        return sorted(cleaned, key=text) if name in SETS else cleaned
    if (name in INTEGERS or name.endswith("UnixNano")) and value is not None:
        return int(value)
    if name in DOUBLES and value is not None:
        return float(value)
    return value


def fields(message: Message) -> Message:
    if "kvlistValue" in message:  # a map to OTAP
        values = clean(message["kvlistValue"].get("values", []))
        return {"kvlistValue": sorted(values, key=text)}
    if "arrayValue" in message:
        return {"arrayValue": clean(message["arrayValue"].get("values", []))}
    cleaned = {name: clean(value, name) for name, value in message.items()}
    return {
        name: value
        for name, value in cleaned.items()
        if value not in (0, "", None, [], {}) or (name in PRESENT and value is not None)
    }
