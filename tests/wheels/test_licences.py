"""How licences are found and told apart; that the file is current is checked by the step lint."""

import licences
import pytest

MIT = "Permission is hereby granted, free of charge, to any person"
BSD = "Redistribution and use in source and binary forms, with or without modification,\nare permitted"


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (MIT, "MIT"),
        (BSD, "BSD-2-Clause"),
        (f"{BSD}. Neither the name of", "BSD-3-Clause"),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        (f"{MIT}\n{BSD}. Neither the name of", "BSD-3-Clause AND MIT"),
    ],
)
def test_what_a_text_grants(text, expression):
    assert licences.spdx_of("example.org/m", text) == expression


def test_an_unknown_licence_stops_the_build():
    with pytest.raises(SystemExit, match=r"licence of example\.org/m is none of"):
        licences.spdx_of("example.org/m", "GNU GENERAL PUBLIC LICENSE")


def test_a_module_without_licence_stops_the_build(tmp_path):
    (tmp_path / "NOTICE").write_text("made by us")
    with pytest.raises(SystemExit, match="has no licence"):
        licences.texts_of("example.org/m", tmp_path)


def test_equal_texts_stand_once_with_all_their_modules(tmp_path):
    modules = {}
    for name, text in {"a": MIT, "b": MIT.replace(" ", "\n"), "c": BSD}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text(text)
        modules[f"example.org/{name}"] = "v1.0.0", tmp_path / name
    text = licences.document(modules)
    assert "\nexample.org/a, example.org/b\n" in text
    assert "\nexample.org/b\n" not in text
    assert licences.bill.listed(text)["example.org/c"] == ("v1.0.0", "BSD-2-Clause")
