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
    assert config.listener({"endpoint": "a:1"}) == {"endpoint": "a:1"}
    with pytest.raises(ConfigError, match=r"4317 is no address"):
        config.listener(4317)


def test_nested_and_merge():
    values = config.nested("files.compression", "zstd")
    config.merge(values, config.nested("files.rotate_bytes", 1))
    config.merge(values, {"files": {"compression": "none"}, "durability": "write"})
    assert values == {"files": {"compression": "none", "rotate_bytes": 1}, "durability": "write"}
    with pytest.raises(ConfigError, match="is no key"):
        config.nested("files..x", 1)


def test_unset_tells_its_name():
    assert repr(config.UNSET) == "UNSET"
