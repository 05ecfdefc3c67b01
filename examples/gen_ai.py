"""What an app's calls of language models cost and how long they take, by model: in pandas and in DuckDB.

python examples/gen_ai.py [DIRECTORY]

The app uses the plain OpenTelemetry SDK with the semantic conventions for generative AI, as
instrumentations for OpenAI, Anthropic and others do. Its model is made up and calls nobody.
"""

import json
import sys
import tempfile
import time

import duckdb
import pandas as pd
import pyarrow as pa
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from otlp_arrow import OtlpLibrary

# US dollars per million tokens: input, input from the cache, output. Made up: put yours here.
PRICES = pd.DataFrame(
    [("small-1", 0.50, 0.05, 2.00), ("large-1", 5.00, 0.50, 20.00)],
    columns=["model", "input_price", "cached_price", "output_price"],
)

QUERY = """
select model, count(*) as calls, count(*) filter (where status_code = 'ERROR') as errors,
    sum(gen_ai_usage_input_tokens)::bigint as input_tokens,
    sum(gen_ai_usage_output_tokens)::bigint as output_tokens,
    round(sum((gen_ai_usage_input_tokens - cached) * input_price + cached * cached_price
        + gen_ai_usage_output_tokens * output_price) / 1e6, 6) as dollars,
    round(median(duration_nano) / 1e6, 1) as p50_ms,
    round(quantile_cont(duration_nano, 0.95) / 1e6, 1) as p95_ms
from (select *, coalesce(gen_ai_usage_cache_read_input_tokens, 0) as cached from spans)
join prices on gen_ai_response_model = model
where gen_ai_operation_name = 'chat'
group by model order by model
"""


class Model:
    """Stands for a provider's client: it answers, and tells what that took."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds

    def ask(self, question: str, number: int) -> tuple[str, dict[str, int]]:
        time.sleep(self.seconds)
        if number == 3:
            raise TimeoutError("the model took too long")
        usage = {"input_tokens": 200 + 10 * number, "output_tokens": 40, "cache_read.input_tokens": 100}
        return f"{question} Well, it depends.", usage


def messages(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def chat(tracer: Tracer, model: Model, question: str, number: int) -> str:
    """One call of a model in a span of the conventions."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "example",
        "gen_ai.request.model": model.name,
        "gen_ai.response.model": model.name,
        "gen_ai.conversation.id": f"conversation-{number}",
        "gen_ai.input.messages": messages("user", question),
    }
    with tracer.start_as_current_span(
        f"chat {model.name}", kind=SpanKind.CLIENT, attributes=attributes
    ) as span:
        try:
            answer, usage = model.ask(question, number)
        except TimeoutError as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error)))
            return "No answer."
        for name, tokens in usage.items():
            span.set_attribute(f"gen_ai.usage.{name}", tokens)
        span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
        span.set_attribute("gen_ai.output.messages", messages("assistant", answer))
        return answer


def app(endpoint: str) -> None:
    """An agent that asks two models. It knows only an OTLP endpoint."""
    provider = TracerProvider(resource=Resource.create({"service.name": "helpdesk"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    tracer = provider.get_tracer("helpdesk")
    for number in range(6):
        with tracer.start_as_current_span("invoke_agent helpdesk") as span:
            span.set_attribute("gen_ai.operation.name", "invoke_agent")
            span.set_attribute("gen_ai.agent.name", "helpdesk")
            for model in (Model("small-1", 0.002), Model("large-1", 0.005)):
                chat(tracer, model, "Why is the sky blue?", number)
    provider.shutdown()


def costs(spans: pd.DataFrame) -> pd.DataFrame:
    """Calls, tokens, dollars and milliseconds by model, of a dataframe of spans."""
    calls = spans[spans["gen_ai_operation_name"] == "chat"].merge(
        PRICES, left_on="gen_ai_response_model", right_on="model"
    )
    cached = calls["gen_ai_usage_cache_read_input_tokens"].fillna(0)
    calls["dollars"] = (
        (calls["gen_ai_usage_input_tokens"] - cached) * calls["input_price"]
        + cached * calls["cached_price"]
        + calls["gen_ai_usage_output_tokens"] * calls["output_price"]
    ) / 1e6
    calls["milliseconds"] = calls["duration_nano"] / 1e6
    calls["error"] = calls["status_code"] == "ERROR"
    table = calls.groupby("model").agg(
        calls=("name", "size"),
        errors=("error", "sum"),
        input_tokens=("gen_ai_usage_input_tokens", "sum"),
        output_tokens=("gen_ai_usage_output_tokens", "sum"),
        dollars=("dollars", "sum"),
        p50_ms=("milliseconds", "median"),
        p95_ms=("milliseconds", lambda each: each.quantile(0.95)),
    )
    return table.astype({"input_tokens": int, "output_tokens": int}).round(
        {"dollars": 6, "p50_ms": 1, "p95_ms": 1}
    )


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="telemetry-")
    with OtlpLibrary(output_dir=directory, otlp_grpc="127.0.0.1:0", files={"promote": ["gen_ai"]}) as library:
        app(f"http://{library.endpoints.otlp_grpc}")
        ended = time.perf_counter()
        spans: pa.Table = library.traces()
        frame = spans.to_pandas()
        waited = time.perf_counter() - ended
    print("pandas:\n" + costs(frame).to_string())
    prices = pa.Table.from_pandas(PRICES)
    with duckdb.connect() as connection:
        connection.register("spans", spans)
        connection.register("prices", prices)
        print("\nDuckDB:\n" + connection.sql(QUERY).df().set_index("model").to_string())
    (answer, *_) = frame["gen_ai_output_messages"].dropna()
    print("\nthe first answer:", json.loads(answer)[0]["parts"][0]["content"])
    print(f"\nfrom the end of the app to a dataframe of {len(frame)} spans: {waited * 1000:.0f} ms")


if __name__ == "__main__":
    main()
