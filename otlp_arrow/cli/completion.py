"""otlp-arrow completion: a script for a shell, made from the command line's own description.

Written here and not taken from shtab or argcomplete: the former has no fish, the latter starts Python at
every TAB, and both are one more thing to install for what is a page of text per shell.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = "otlp-arrow"


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "completion",
        run,
        help="print a completion script for bash, zsh or fish",
        description="Prints a script that completes commands, flags, their choices and files.",
        examples=[
            (
                "otlp-arrow completion bash > ~/.local/share/bash-completion/completions/otlp-arrow",
                "for bash, where bash-completion is installed",
            ),
            ('otlp-arrow completion zsh > "${fpath[1]}/_otlp-arrow"', "for zsh, where compinit is loaded"),
            ("otlp-arrow completion fish > ~/.config/fish/completions/otlp-arrow.fish", "for fish"),
        ],
    )
    command.add_argument("shell", choices=tuple(SHELLS))


def run(options: argparse.Namespace) -> int:
    print(SHELLS[options.shell](list(_commands(parser.make_parser()))), end="")
    return 0


@dataclass(frozen=True)
class _Flag:
    """A flag, or (without names) a positional argument."""

    names: tuple[str, ...]
    help: str
    takes: bool  # a value follows
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Command:
    name: str
    help: str
    flags: list[_Flag] = field(default_factory=list)
    arguments: list[_Flag] = field(default_factory=list)


def _commands(root: argparse.ArgumentParser) -> Iterator[_Command]:
    for action in root._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, command in action.choices.items():
            described = [_described(one) for one in command._actions]
            yield _Command(
                name,
                helps[name],
                [one for one in described if one.names],
                [one for one in described if not one.names],
            )


def _described(action: argparse.Action) -> _Flag:
    choices = tuple(str(choice) for choice in action.choices or ())
    return _Flag(tuple(action.option_strings), action.help or "", action.nargs != 0, choices)


# --- bash ---


def _bash(commands: list[_Command]) -> str:
    cases = "\n".join(_bash_case(command) for command in commands)
    return f"""\
# completion of {PROGRAM} for bash
_otlp_arrow() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} flags= values=
    COMPREPLY=()
    if [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W "{" ".join(one.name for one in commands)} --help --version" -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
        *) return ;;
    esac
    if [[ $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$current"))
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$current"))
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}}
complete -F _otlp_arrow {PROGRAM}
"""


def _bash_case(command: _Command) -> str:
    names = " ".join(name for flag in command.flags for name in flag.names)
    lines = [f"        {command.name})", f'            flags="{names}"']
    values = [flag for flag in command.flags if flag.choices]
    if values or any(argument.choices for argument in command.arguments):
        lines.append("            case $previous in")
        for flag in values:
            lines.append(f'                {"|".join(flag.names)}) values="{" ".join(flag.choices)}" ;;')
        for argument in command.arguments:
            if argument.choices:
                words = " ".join(argument.choices)
                lines.append(f'                {command.name}) [[ $current == -* ]] || values="{words}" ;;')
        lines.append("            esac")
    return "\n".join([*lines, "            ;;"])


# --- zsh ---


def _zsh(commands: list[_Command]) -> str:
    names = "\n".join(f"        {_quoted(f'{_colons(one.name)}:{one.help}')}" for one in commands)
    cases = "\n".join(_zsh_case(command) for command in commands)
    return f"""\
#compdef {PROGRAM}
# completion of {PROGRAM} for zsh
_otlp_arrow() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
if [[ $funcstack[1] == _otlp-arrow || $funcstack[1] == _otlp_arrow ]]; then
    _otlp_arrow "$@"
else
    compdef _otlp_arrow {PROGRAM}
fi
"""


def _zsh_case(command: _Command) -> str:
    specs = [_zsh_flag(name, flag) for flag in command.flags for name in flag.names]
    specs += [
        _quoted(f"*:{'value' if one.choices else 'file'}:{_zsh_values(one)}") for one in command.arguments
    ]
    joined = " \\\n                ".join(specs)
    return f"        {command.name})\n            _arguments \\\n                {joined}\n            ;;"


def _zsh_flag(name: str, flag: _Flag) -> str:
    told = flag.help.replace("[", "(").replace("]", ")")
    value = f":value:{_zsh_values(flag)}" if flag.takes else ""
    return _quoted(f"*{name}[{_colons(told)}]{value}")


def _zsh_values(flag: _Flag) -> str:
    return f"({' '.join(flag.choices)})" if flag.choices else "_files"


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _quoted(text: str) -> str:
    quote = "'\\''"
    return f"'{text.replace(chr(39), quote)}'"


# --- fish ---


def _fish(commands: list[_Command]) -> str:
    lines = [f"# completion of {PROGRAM} for fish", f"complete -c {PROGRAM} -n __fish_use_subcommand -f"]
    for command in commands:
        lines.append(
            f"complete -c {PROGRAM} -n __fish_use_subcommand -f -a {command.name} -d {_fished(command.help)}"
        )
        within = f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{within} {_fish_flag(flag)}" for flag in command.flags]
        lines += [f"{within} -f -a '{' '.join(one.choices)}'" for one in command.arguments if one.choices]
    return "\n".join(lines) + "\n"


def _fish_flag(flag: _Flag) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
    if flag.choices:
        parts.append(f"-x -a '{' '.join(flag.choices)}'")
    elif flag.takes:
        parts.append("-r")
    return f"{' '.join(parts)} -d {_fished(flag.help)}"


def _fished(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SHELLS: dict[str, Callable[[list[_Command]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
