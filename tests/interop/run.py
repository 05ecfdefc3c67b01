"""Exchanges telemetry with a real Collector and compares what arrives, item by item.

python tests/interop/run.py [--keep DIR]

    requests -> Collector (otlp -> otelarrow exporter) -> our service -> tables -> otlp-arrow convert
    requests -> our service -> forwarding, by each protocol -> Collector (otelarrow or otlp -> file exporter)

The Collector is 0.102.1 with the otelarrow components v0.24.0, which never fall back to OTLP here. Needs Go
and, for the first run, the Go proxy; what is built stays in .ci/tmp/interop.
"""

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
from fixture import SIGNALS, requests
from items import items

TOKEN = "interop-secret"
SENDERS = 4  # at a time, so that streams run beside each other

# The ways to us: (listener, settings of the otelarrow exporter).
INWARD = [
    ("arrow", {"compression": "zstd"}),
    ("arrow", {"compression": "none", "arrow": {"payload_compression": "zstd"}}),
    ("otlp_grpc", {"compression": "gzip"}),
    ("otlp_grpc", {"compression": "none", "arrow": {"num_streams": 1, "max_stream_lifetime": "1s"}}),
]
# The ways from us: (protocol, compression, the Collector's receiver).
OUTWARD = [
    ("otap", "none", "otelarrow"),
    ("otap", "zstd", "otelarrow"),
    ("otlp_grpc", "none", "otelarrow"),
    *itertools.product(("otlp_grpc", "otlp_http", "otlp_http_json"), ("none", "gzip", "zstd"), ("otlp",)),
]


class Comparison:
    """Compares what arrived with what was sent, and tells."""

    def __init__(self, sent: dict[str, list[dict]]) -> None:
        self._sent = {signal: total(signal, documents) for signal, documents in sent.items()}
        self.failed = 0
        print("| way | traces | metrics | logs |\n| --- | ---: | ---: | ---: |", flush=True)

    def check(self, way: str, arrived: dict[str, list[dict]]) -> None:
        cells, details = [], []
        for signal in SIGNALS:
            want, got = self._sent[signal], total(signal, arrived[signal])
            cells.append(str(got.total()))
            if got != want:
                lacking, surplus = want - got, got - want
                cells[-1] += f" ({lacking.total()} lack, {surplus.total()} others)"
                details += [f"  {signal} sent:    {next(iter(lacking), None)}"]
                details += [f"  {signal} arrived: {next(iter(surplus), None)}"]
        self.failed += bool(details)
        print("| " + " | ".join([way, *cells]) + " |", *details, sep="\n", flush=True)


def total(signal: str, documents: list[dict]) -> Counter[str]:
    return sum((items(signal, document) for document in documents), Counter())


def bodies(folder: Path, sent: dict[str, list[dict]]) -> dict[str, list[bytes]]:
    """The documents as protobuf: the JSON reader of this Collector passes over some fields."""
    made = {}
    for signal, documents in sent.items():
        source, target = folder / f"{signal}.json", folder / f"{signal}.pb"
        source.write_text("".join(json.dumps(document) + "\n" for document in documents))
        processes.call(processes.OURS, "convert", source, target)
        made[signal] = list(frames(target.read_bytes()))
    return made


def frames(data: bytes) -> Iterator[bytes]:
    """Messages behind their lengths in four bytes."""
    while data:
        size = int.from_bytes(data[:4], "big")
        yield data[4 : 4 + size]
        data = data[4 + size :]


def send(address: str, made: dict[str, list[bytes]], headers: dict[str, str] | None = None) -> None:
    """Send everything by OTLP/HTTP; each request is answered once it is acknowledged behind."""

    def post(signal: str, body: bytes) -> None:
        request = urllib.request.Request(f"http://{address}/v1/{signal}", body, headers or {})
        request.add_header("Content-Type", "application/x-protobuf")
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    with ThreadPoolExecutor(SENDERS) as pool:
        work = [(signal, body) for signal, all_of_it in made.items() for body in all_of_it]
        for done in [pool.submit(post, *each) for each in work]:
            done.result()


def pipelines(receivers: list[str], exporters: list[str]) -> dict:
    return {signal: {"receivers": receivers, "exporters": exporters} for signal in SIGNALS}


def sending(address: str, endpoint: str, settings: dict) -> dict:
    """A Collector's configuration that sends OTAP to us, and answers when we have answered."""
    arrow = {"num_streams": 2, "disable_downgrade": True} | settings.get("arrow", {})
    exporter = {
        "endpoint": endpoint,
        "tls": {"insecure": True},
        "headers": {"authorization": f"Bearer {TOKEN}"},
        "sending_queue": {"enabled": False},
        "retry_on_failure": {"enabled": False},
    }
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": address}}}},
        "exporters": {"otelarrow": exporter | settings | {"arrow": arrow}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": pipelines(["otlp"], ["otelarrow"]),
        },
    }


class Receiving:
    """A Collector's configuration with a receiver, and a file, for each way from us."""

    def __init__(self, ways: list[tuple[str, str, str]]) -> None:
        self.names = [f"{receiver}/{protocol}_{compression}" for protocol, compression, receiver in ways]
        self.destinations, receivers, exporters, service = [], {}, {}, {}
        for name, (protocol, compression, _) in zip(self.names, ways, strict=True):
            address = f"127.0.0.1:{processes.port()}"
            kind = "http" if "http" in protocol else "grpc"
            listener = {"endpoint": address, "auth": {"authenticator": "bearertokenauth"}}
            receivers[name] = {"protocols": {kind: listener}}
            exporters[f"file/{name}"] = {"path": self._file(name)}
            for signal in SIGNALS:
                pipeline = {"receivers": [name], "exporters": [f"file/{name}"]}
                service[f"{signal}/{name.replace('/', '_')}"] = pipeline
            self.destinations.append(self._destination(name, protocol, compression, address))
        self.config = {
            "extensions": {"bearertokenauth": {"token": TOKEN}},
            "receivers": receivers,
            "exporters": exporters,
            "service": {
                "extensions": ["bearertokenauth"],
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": service,
            },
        }

    def _file(self, name: str) -> str:
        return f"{name.replace('/', '_')}.json"

    def _destination(self, name: str, protocol: str, compression: str, address: str) -> dict:
        return {
            "name": name.replace("/", "_"),
            "protocol": protocol,
            "endpoint": f"http://{address}",
            "compression": compression,
            "auth": {"bearer_token": TOKEN},
            "timeout": "60s",  # on a busy machine: what is sent again counts twice
        }

    def arrived(self, folder: Path, name: str) -> dict[str, list[dict]]:
        documents = processes.read(folder / self._file(name))
        return dict.fromkeys(SIGNALS, documents)  # items takes its signal's


def metric(endpoint: str, name: str, label: str) -> Counter[str]:
    """A metric of our service, summed for each value of a label."""
    with urllib.request.urlopen(f"http://{endpoint}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    sums: Counter[str] = Counter()
    for line in lines:
        if line.startswith(f"{name}{{"):
            value = line.split(f'{label}="')[1].split('"')[0]
            sums[value] += int(float(line.split()[-1]))
    return sums


def want_otap(endpoint: str) -> None:
    """All that came has come as OTAP."""
    requests = metric(endpoint, "otlp_arrow_receiver_accepted_requests_total", "transport")
    if not requests["otap"] or requests.total() != requests["otap"]:
        raise RuntimeError(f"requests by transport: {requests}")


def want_locked(destination: dict) -> None:
    """The Collector refuses who has no token, so what it takes had one."""
    try:
        send(destination["endpoint"].removeprefix("http://"), {"traces": [b""]})
    except urllib.error.HTTPError as refusal:
        if refusal.code == 401:
            return
    raise RuntimeError(f"{destination['name']} takes requests without a token")


def want_forwarded(service: processes.Process, endpoint: str) -> None:
    """Wait until nothing waits for a destination; none may have refused anything, or OTAP."""
    waiting = "otlp_arrow_exporter_queue_items"
    service.wait_for("forwarding", lambda: not metric(endpoint, waiting, "destination").total(), 300)
    given_up = metric(endpoint, "otlp_arrow_exporter_given_up_items_total", "destination")
    if given_up.total() or "does not know OTAP" in service.output():
        raise RuntimeError(f"given up: {given_up}; {service.output()[-2000:]}")


@contextlib.contextmanager
def working_folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def inward(comparison: Comparison, binary: Path, folder: Path, made: dict[str, list[bytes]]) -> None:
    token = [f'{listener}.auth.bearer_tokens=["{TOKEN}"]' for listener in ("arrow", "otlp_grpc")]
    for number, (listener, settings) in enumerate(INWARD):
        at, address = folder / str(number), f"127.0.0.1:{processes.port()}"
        with (
            processes.service(at / "service", *token) as (_, endpoints),
            processes.collector(binary, at / "collector", sending(address, endpoints[listener], settings)),
        ):
            send(address, made)
            want_otap(endpoints["metrics"])
        arrived = {signal: processes.tables(at / "service", signal) for signal in SIGNALS}
        comparison.check(f"Collector -> {listener}, {json.dumps(settings)}", arrived)


def outward(comparison: Comparison, binary: Path, folder: Path, made: dict[str, list[bytes]]) -> None:
    receiving = Receiving(OUTWARD)
    with (
        processes.collector(binary, folder / "collector", receiving.config),
        processes.service(folder / "service", forwarding=receiving.destinations) as (service, endpoints),
    ):
        want_locked(next(each for each in receiving.destinations if "http" in each["protocol"]))
        send(endpoints["otlp_http"], made)
        want_forwarded(service, endpoints["metrics"])
    for name in receiving.names:
        comparison.check(f"forwarding -> {name}", receiving.arrived(folder / "collector", name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="leave configurations, logs and files in DIR"
    )
    args = parser.parse_args()
    binary = processes.build()
    sent = {signal: requests(signal) for signal in SIGNALS}
    with working_folder(args.keep) as folder:
        made = bodies(folder, sent)
        comparison = Comparison(sent)
        inward(comparison, binary, folder / "in", made)
        outward(comparison, binary, folder / "out", made)
    sys.exit(1 if comparison.failed else 0)


if __name__ == "__main__":
    main()
