"""The platforms that have wheels, and what a wheel's tag promises on each."""

import math
import re
from dataclasses import dataclass, replace

GOARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Platform:
    tag: str  # the wheel's platform tag
    oldest: tuple[float, ...]  # glibc, macOS or Windows that it promises to run on
    goos: str
    goarch: str
    zig: str  # zig's target
    suffix: str

    def environment(self) -> dict[str, str]:
        """What makes `go` build, or list, for this platform."""
        return {"GOOS": self.goos, "GOARCH": self.goarch, "CGO_ENABLED": "1"}


def _linux(machine: str) -> Platform:
    tag = f"manylinux_2_17_{machine}"
    return Platform(tag, (2, 17), "linux", GOARCH[machine], f"{machine}-linux-gnu.2.17", ".so")


def _macos(machine: str, zig: str) -> Platform:
    return Platform(
        f"macosx_12_0_{machine}", (12, 0), "darwin", GOARCH[machine], f"{zig}-macos.12.0", ".dylib"
    )


# Go 1.26 itself needs macOS 12 and Windows 10.
PLATFORMS = {
    "linux-x86_64": _linux("x86_64"),
    "linux-aarch64": _linux("aarch64"),
    "macos-x86_64": _macos("x86_64", "x86_64"),
    "macos-arm64": _macos("arm64", "aarch64"),
    "windows-x86_64": Platform("win_amd64", (10, 0), "windows", "amd64", "x86_64-windows-gnu", ".dll"),
}
_TAG = re.compile(
    r"(?P<system>manylinux|macosx)_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>\w+)"
    r"|(?P<plain>manylinux2014|linux|win)_(?P<arch>\w+)"
)
_PLAIN = {"manylinux2014": (2, 17), "linux": (math.inf,), "win": (10, 0)}  # linux_x86_64 promises nothing
_GOOS = {"macosx": "darwin", "win": "windows"}  # all others are Linux


def of_tag(tags: str) -> Platform:
    """What a wheel with these tags ("a.b") promises: the most of them. Raises ValueError for strange ones."""
    return min((_of_one(tag) for tag in tags.split(".")), key=lambda platform: platform.oldest)


def _of_one(tag: str) -> Platform:
    if match := _TAG.fullmatch(tag):
        goos = _GOOS.get(match["system"] or match["plain"], "linux")
        oldest = _PLAIN.get(match["plain"]) or (int(match["major"]), int(match["minor"]))
        goarch = GOARCH.get(match["machine"] or match["arch"])
        for platform in PLATFORMS.values():
            if (platform.goos, platform.goarch) == (goos, goarch):
                return replace(platform, tag=tag, oldest=oldest)
    raise ValueError(f"{tag} is none of our platforms")
