import pickle
import re

import pytest

import otlp_arrow
from otlp_arrow import errors


def test_every_code_of_the_header_has_an_error(repository):
    header = (repository / "gocore" / "otlp_arrow.h").read_text()
    codes = {int(number) for number in re.findall(r"OA_[A-Z_]+ = (\d+)", header.split("OA_TRACES")[0])}
    assert set(errors.BY_CODE) == codes - {0}


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_errors_survive_a_pickle(code):
    error = errors.from_code(code, "a: b")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) is errors.BY_CODE[code]
    assert str(copy) == "a: b"
    assert isinstance(error, errors.OtlpArrowError)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.InvalidDataError, ValueError),
        (errors.DeadlineError, TimeoutError),
        (errors.IoError, OSError),
        (errors.LibraryNotFoundError, ImportError),
    ],
)
def test_errors_are_builtins_as_well(error, builtin):
    assert issubclass(error, builtin)


def test_an_unknown_code_is_named():
    assert str(errors.from_code(99, "odd")) == "unknown error code 99: odd"
    assert str(errors.from_code(1, "")) == "error code 1"


def test_faults_are_lines():
    assert errors.ConfigError("one\n\ntwo\n").faults == ["one", "two"]


def test_every_error_is_public():
    defined = {name for name in vars(errors) if name.endswith("Error")}
    assert defined <= set(otlp_arrow.__all__)
