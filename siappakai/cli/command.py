"""What all commands share: `--json`, `--dry-run`, an example, and how they fail."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

import click

from siappakai.cli.context import Caller, installation, machine, unopened
from siappakai.cli.output import Ended, emit, note
from siappakai.errors import InvalidInputError, SiapPakaiError

INTERRUPTED = 130

_JSON = "siappakai.json"


class Command(click.Command):
    """A command over services: run in the registry's context, its result printed.

    `example` is a whole line a person can type. A command that `changes` something and can say
    what, without doing it, is rehearsed with `--dry-run`.
    """

    def __init__(
        self, name: str | None, *, example: str, changes: bool = False, **attrs: Any
    ) -> None:
        super().__init__(name, **attrs)
        self.example = example
        self.changes = changes
        if changes:
            self.params.append(
                click.Option(["--dry-run"], is_flag=True, help="Check and show; change nothing.")
            )
        self.params.append(
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON (docs/cli.md).")
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _note_json(ctx, args)
        return super().parse_args(ctx, args)

    def place(self, *, is_rehearsal: bool) -> AbstractContextManager[Caller]:
        """Return where it runs: on the registry, as the user who owns it."""
        return installation(is_rehearsal=is_rehearsal)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, print what it returns, end with its exit code."""
        as_json = ctx.params.pop("as_json")
        is_rehearsal = ctx.params.pop("dry_run", False)
        with self.place(is_rehearsal=is_rehearsal) as ctx.obj:
            result = super().invoke(ctx)
        value = result.value if isinstance(result, Ended) else result
        emit(value, as_json=as_json)
        if is_rehearsal:
            note("Uji coba: tidak ada yang diubah.")
        ctx.exit(result.exit_code if isinstance(result, Ended) else 0)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Example"):
            formatter.write(f"  {self.example}\n")


class MachineCommand(Command):
    """A command over the machine itself: run as root, the registry left closed."""

    def place(self, *, is_rehearsal: bool) -> AbstractContextManager[Caller]:
        return machine(is_rehearsal=is_rehearsal)


class BareCommand(Command):
    """A command that runs as the user who owns the installation, whose registry stays closed."""

    def place(self, *, is_rehearsal: bool) -> AbstractContextManager[Caller]:
        return unopened(is_rehearsal=is_rehearsal)


class Group(click.Group):
    """A noun and its verbs."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _note_json(ctx, args)
        return super().parse_args(ctx, args)


class Root(Group):
    """The program: turns expected failures into messages and exit codes.

    `places` tells for each command its module and its name there; it is loaded when it is used,
    as all of them together take longer than most commands.
    """

    def __init__(self, name: str | None = None, *, places: dict[str, str], **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands, loaded or not."""
        return sorted(self.places)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command, loading its module; None when there is no such command."""
        if cmd_name not in self.places:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SiapPakaiError as error:
            _tell(ctx, error)
            ctx.exit(error.exit_code)
        except click.UsageError as error:
            if not ctx.meta[_JSON]:
                raise
            _tell_json("usage", error.format_message(), "", "", error.exit_code)
            ctx.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            note("Terhenti.")
            ctx.exit(INTERRUPTED)


def _note_json(ctx: click.Context, args: list[str]) -> None:
    # Before parsing, which may fail; the dictionary is shared with the contexts above.
    ctx.meta[_JSON] = "--json" in args


def _tell(ctx: click.Context, error: SiapPakaiError) -> None:
    field = error.field if isinstance(error, InvalidInputError) else ""
    if ctx.meta[_JSON]:
        _tell_json(error.kind, error.what, error.todo, field, error.exit_code)
        return
    note(f"{error.what} [{field}]" if field else error.what)
    if error.todo:
        note(error.todo)


def _tell_json(kind: str, what: str, todo: str, field: str, exit_code: int) -> None:
    error = {"kind": kind, "what": what, "todo": todo, "field": field, "exit_code": exit_code}
    note(json.dumps({"error": error}, ensure_ascii=False, indent=2))
