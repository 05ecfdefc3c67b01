"""A checker that finds nothing is no checker: each fault is put into a wheel that is else good."""

import dataclasses
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import bill
import check
import pytest
from binary import Binary, read
from build import repack
from platforms import PLATFORMS, of_tag

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "linux-x86_64": Binary(
        "linux", "amd64", frozenset({"libc.so.6"}), (2, 17), check.functions(), stripped=True, signed=False
    ),
    "macos-arm64": Binary(
        "darwin",
        "arm64",
        frozenset({"/usr/lib/libSystem.B.dylib"}),
        (12, 0),
        check.functions(),
        stripped=True,
        signed=True,
    ),
    "windows-x86_64": Binary(
        "windows",
        "amd64",
        frozenset({"kernel32.dll"}),
        (6, 0),
        check.functions(),
        stripped=True,
        signed=False,
    ),
}


def faults(name, **changes):
    return list(check.library_faults(dataclasses.replace(GOOD[name], **changes), PLATFORMS[name]))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_library_has_no_fault(name):
    assert faults(name) == []


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"goarch": "riscv64"}, "is for"),
        ({"needed": frozenset({"libssl.so.3"})}, "needs libssl.so.3"),
        ({"oldest": (99, 1)}, "needs version 99.1"),
        ({"exports": check.functions() | {"crosscall2"}}, "shows other than the header: crosscall2"),
        ({"exports": check.functions() - {"oa_open"}}, "shows other than the header: oa_open"),
        ({"stripped": False}, "symbol table"),
    ],
)
def test_each_fault_of_a_library_is_told(name, changes, said):
    (fault,) = faults(name, **changes)
    assert said in fault


def test_unsigned_for_arm64_is_a_fault_on_macos_only():
    assert "no signature" in faults("macos-arm64", signed=False)[0]
    assert faults("linux-x86_64", signed=False) == []


def test_the_header_names_all_functions():
    assert {"oa_open", "oa_schema", "oa_bytes_release"} <= check.functions()


@pytest.mark.parametrize(
    ("tag", "goarch", "oldest"),
    [
        ("manylinux_2_17_aarch64", "arm64", (2, 17)),
        ("manylinux_2_28_x86_64.manylinux2014_x86_64", "amd64", (2, 17)),
        ("linux_x86_64", "amd64", (float("inf"),)),
        ("macosx_13_0_arm64", "arm64", (13, 0)),
        ("win_amd64", "amd64", (10, 0)),
    ],
)
def test_what_a_tag_promises(tag, goarch, oldest):
    platform = of_tag(tag)
    assert (platform.goarch, platform.oldest) == (goarch, oldest)


@pytest.mark.parametrize("tag", ["any", "musllinux_1_2_x86_64", "linux_riscv64", "win32"])
def test_strange_tags_are_refused(tag):
    with pytest.raises(ValueError, match="none of our platforms"):
        of_tag(tag)


def test_a_compiled_library_is_read(tmp_path):
    compiler = shutil.which("cc")
    assert compiler, "no C compiler on PATH"
    (tmp_path / "a.c").write_text("#include <math.h>\ndouble oa_root(double x) { return cbrt(x); }\n")
    command = [compiler, "-shared", "-fPIC", "-fno-builtin", "a.c", "-o", "a.so", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = read(tmp_path / "a.so")
    assert found.goos == "linux"
    assert "libm.so.6" in found.needed
    assert found.oldest >= (2, 2)
    assert "oa_root" in found.exports
    assert not found.stripped


def test_what_is_no_library_is_refused(tmp_path):
    (tmp_path / "a.so").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no ELF"):
        read(tmp_path / "a.so")


LICENCES = """\
A table.

  example.org/m  v1.2.3  MIT AND BSD-3-Clause
  std            1.26.0  BSD-3-Clause

Texts.
"""
LINKED = {"example.org/m": "v1.2.3", "std": "1.26.8"}


@pytest.fixture
def unpacked(tmp_path, monkeypatch):
    """A wheel's folder with papers as they should be, of a library of two modules."""
    monkeypatch.setattr(bill, "linked", lambda library: dict(LINKED))
    info = tmp_path / "otlp_arrow-1.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "sboms").mkdir()
    (info / "METADATA").write_text(f"License-File: LICENSE\nLicense-File: {bill.LICENCES}\n")
    (info / "licenses" / bill.LICENCES).write_text(LICENCES)
    (info / "sboms" / bill.NAME).write_text(json.dumps(bill.make(tmp_path / "library", "1", LICENCES)))
    return tmp_path


def papers(folder):
    return list(check.paper_faults(folder, folder / "library"))


def test_good_papers_have_no_fault(unpacked):
    assert papers(unpacked) == []


def test_a_module_without_licence_is_told(unpacked, monkeypatch):
    monkeypatch.setattr(bill, "linked", lambda library: {**LINKED, "example.org/new": "v1.0.0"})
    assert [fault.split()[0] for fault in papers(unpacked)] == [bill.LICENCES, bill.NAME]


def test_another_version_is_told(unpacked, monkeypatch):
    monkeypatch.setattr(bill, "linked", lambda library: {**LINKED, "example.org/m": "v1.2.4"})
    assert f"{bill.LICENCES} lacks example.org/m v1.2.4" in papers(unpacked)


def test_metadata_names_the_licences(unpacked):
    next(unpacked.glob("*/METADATA")).write_text("License-File: LICENSE\n")
    assert papers(unpacked) == [f"METADATA does not name {bill.LICENCES}"]


def test_a_bill_that_is_no_cyclonedx_is_told(unpacked):
    path = next(unpacked.glob("*/sboms/*"))
    document = json.loads(path.read_text())
    document["components"][0]["type"] = "poem"
    path.write_text(json.dumps(document))
    assert "is no CycloneDX 1.6" in papers(unpacked)[0]


def test_the_bill_says_what_is_linked_and_is_the_same_each_time(unpacked):
    made = bill.make(unpacked, "1", LICENCES)
    assert made == bill.make(unpacked, "1", LICENCES)
    assert made["components"][0]["purl"] == "pkg:golang/example.org/m@v1.2.3"
    assert made["components"][0]["licenses"] == [{"expression": "MIT AND BSD-3-Clause"}]
    assert made["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in made["components"]]


def test_repacking_keeps_contents_and_is_the_same_each_time(tmp_path):
    texts = {"a/b.txt": (ROOT / bill.LICENCES).read_text(encoding="utf-8"), "c.txt": ""}
    packed = []
    for level in (1, 9):
        with zipfile.ZipFile(tmp_path / "w.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=level) as wheel:
            for name, text in texts.items():
                wheel.writestr(name, text)
        before = (tmp_path / "w.whl").stat().st_size
        repack(tmp_path / "w.whl")
        packed.append((tmp_path / "w.whl").read_bytes())
        assert len(packed[-1]) < before
    assert packed[0] == packed[1]
    with zipfile.ZipFile(tmp_path / "w.whl") as wheel:
        assert wheel.testzip() is None
        assert {name: wheel.read(name).decode() for name in wheel.namelist()} == texts
