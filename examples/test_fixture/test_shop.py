import subprocess
import sys

import pytest
import shop


@pytest.fixture
def tracer(otlp, monkeypatch):  # after otlp, so that exporters find it
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")  # milliseconds; an SDK gathers spans for 5000
    provider = shop.telemetry()
    yield provider.get_tracer("shop")
    provider.shutdown()


def test_an_order_is_told_with_its_payment(otlp, tracer):
    shop.order(tracer, "book", price=12.5)

    (order,) = otlp.wait_for_spans(name="order", service="shop")
    assert order.attributes == {"item": "book", "price": 12.5}
    (payment,) = otlp.wait_for_spans(name="pay")
    assert payment.parent_span_id == order.span_id


def test_a_failed_payment_is_an_error(otlp, tracer):
    with pytest.raises(ValueError, match="no such price"):
        shop.order(tracer, "book", price=-1)

    (payment,) = otlp.wait_for_spans(name="pay", status="ERROR")
    assert payment.events[0].attributes["exception.type"] == "ValueError"


def test_the_program_as_it_is_started(otlp):
    subprocess.run([sys.executable, "shop.py", "pen"], check=True)

    (tree,) = otlp.traces()
    assert [span.name for span in tree] == ["order", "pay"]


def test_spans_survive_a_collector_that_is_overloaded(otlp, tracer):
    otlp.refuse_next(1)
    shop.order(tracer, "book", price=12.5)

    otlp.wait_for_spans(2)
    assert otlp.requests.traces.refused == 1
