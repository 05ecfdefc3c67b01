import json
from pathlib import Path

import pytest

from otlp_arrow import ConfigError, config


def test_sources_hold_file_environment_and_values(monkeypatch):
    monkeypatch.setenv("OTLP_DURABILITY", "fsync")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "not ours")
    values = {"output_dir": Path("x"), "files": config.UNSET, "tags": frozenset("ba")}
    document = json.loads(config.sources(values, config_file=Path("c.yaml"), embedded=True))
    assert document["file"] == "c.yaml"
    assert document["env"]["OTLP_DURABILITY"] == "fsync"
    assert "OTEL_SERVICE_NAME" not in document["env"]
    assert document["values"] == {"output_dir": "x", "tags": ["a", "b"]}
    assert document["embedded"] is True


def test_no_file_is_absent():
    assert "file" not in json.loads(config.sources({}, embedded=False))


@pytest.mark.parametrize("value", [object(), float("nan"), b"x"])
def test_a_value_that_json_cannot_hold_is_refused(value):
    with pytest.raises(ConfigError, match="cannot be used"):
        config.sources({"files": {"x": value}}, embedded=True)


def test_listener():
    assert config.listener(config.UNSET) is config.UNSET
    assert config.listener(None) == {"enabled": False}
    assert config.listener("a:1") == {"enabled": True, "endpoint": "a:1"}
    assert config.listener({"endpoint": "a:1"}) == {"enabled": True, "endpoint": "a:1"}
    assert config.listener({"endpoint": "a:1", "enabled": False}) == {"endpoint": "a:1", "enabled": False}
    assert config.listener({"auth": {}}) == {"auth": {}}
    with pytest.raises(ConfigError, match=r"4317 is no address"):
        config.listener(4317)


def test_assignments_are_told_in_order():
    document = json.loads(config.sources({}, assignments=["a=1", "b=2"], embedded=False))
    assert document["set"] == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "where", [{"values": {"output_dir": "\udcff"}}, {"values": {}, "assignments": ["a=\udcff"]}]
)
def test_text_that_is_not_utf8_is_refused(where):
    with pytest.raises(ConfigError, match="not UTF-8"):
        config.sources(**where, embedded=True)


def test_unset_tells_its_name():
    assert repr(config.UNSET) == "UNSET"
