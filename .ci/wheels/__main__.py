"""Makes, checks and runs the wheels of all platforms.

    python .ci/wheels                          all of it: five wheels and the source distribution in dist/
    python .ci/wheels build [PLATFORM...]      only some (linux-x86_64 linux-aarch64 macos-x86_64 macos-arm64
                                               windows-x86_64)
    python .ci/wheels check WHEEL...           tag, symbols, what the system must have, size, licences, SBOM
    python .ci/wheels run WHEEL...             here, under qemu (arm64) or wine (Windows)
    python .ci/wheels repack WHEEL...          as small as it goes, in place

Needs the extra "wheels" and Go; for macOS ld64.lld (Debian: lld-16), to run: qemu-user, libc6-arm64-cross,
wine64.
"""

import platform as this
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "gocore" / "build_tools"))

import check as checks
from build import ROOT, build, repack, source
from platforms import PLATFORMS, of_tag
from run import run


def make(names: list[str]) -> list[Path]:
    out = ROOT / "dist"
    out.mkdir(exist_ok=True)
    sdist = source(out)
    return [build(name, sdist, out) for name in names or PLATFORMS]


def check_all(wheels: list[Path]) -> int:
    faults = [f"{wheel.name} {fault}" for wheel in wheels for fault in checks.check(wheel)]
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(wheels)} wheels checked, {len(faults)} faults")
    return 1 if faults or not wheels else 0


def run_all(wheels: list[Path]) -> None:
    ours = [wheel for wheel in wheels if _is_ours(wheel)]
    if not ours:
        sys.exit("give a wheel of this machine too: it reads what the others write")
    for wheel in wheels:
        run(wheel, ours[0])


def _is_ours(wheel: Path) -> bool:
    platform = of_tag(wheel.stem.split("-")[-1])
    return platform.goos == sys.platform and platform.tag.endswith(this.machine())


def main() -> int:
    action, *rest = sys.argv[1:] or ["all"]
    wheels = [Path(name).resolve() for name in rest]
    if action == "all":
        wheels = make([])
        code = check_all(wheels)
        run_all(wheels)
        return code
    if action == "build":
        make(rest)
    elif action == "check":
        return check_all(wheels)
    elif action == "run":
        run_all(wheels)
    elif action == "repack":
        for wheel in wheels:
            repack(wheel)
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
