"""The command line: ``frostline COMMAND``; one small file a command, and nothing here that the library cannot do.

Exit codes: 0 done; 2 the user's mistake, one message on stderr and no traceback; 1 ours; 130 and 143 interrupted. With
``--json`` the last line of stdout is one JSON object, also when something went wrong.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
import typer.core

from frostline.cli import apply, diagnose, embed, explain, fit, health, more, space, store, study, sweep
from frostline.errors import FrostlineError

__all__ = ["app", "main"]


class _Interrupted(FrostlineError):  # noqa: N818 - what the user wished is no error
    exit_code = 130


class _Terminated(KeyboardInterrupt):
    """Whoever asks a process to end gets what Ctrl-C does: files half written go, finished batches stay."""


def _terminate(*_: Any) -> None:
    raise _Terminated


@contextmanager
def _ending_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a command as Ctrl-C does, unless they are ignored (nohup) or handled already."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


class _Commands(typer.core.TyperGroup):
    """All commands; typer would turn an interruption into an exit code without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            found = _Interrupted(
                f"{f'Interrupted {error}'.rstrip()}.",
                hint="run the same command again: finished batches are in the store",
            )
            found.exit_code = 143 if isinstance(error, _Terminated) else 130
            raise found from error


app = typer.Typer(
    name="frostline",
    cls=_Commands,
    help="Frozen language models: text and rows to a class or a number.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("fit")(fit.fit)
app.command("predict")(apply.predict)
app.command("evaluate")(apply.evaluate)
app.command("suggest")(more.suggest)
app.command("update")(more.update)
app.command("concept")(more.concept)
app.command("sweep")(sweep.sweep)
app.command("diagnose")(diagnose.diagnose)
app.command("embed")(embed.embed)
app.command("adapt")(explain.adapt)
app.command("explain")(explain.explain)
app.add_typer(space.app, name="space")
app.add_typer(study.app, name="study")
app.add_typer(store.app, name="store")
app.command("doctor")(health.doctor)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        import frostline

        typer.echo(f"frostline {frostline.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Parameters
    ----------
    args : sequence of str, optional
        None = the process's own.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        with _ending_like_ctrl_c():
            code = app(arguments, standalone_mode=False)
    except FrostlineError as error:
        code = _fail(error.message, error.hint, error.exit_code, arguments)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has gone
        code = 1
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own word for a mistake in the arguments
            code = _fail(error.format_message(), "frostline COMMAND --help lists what is allowed", 2, arguments)
        else:
            traceback.print_exc()
            code = _fail(
                f"{type(error).__name__}: {error}",
                "our fault: please report it with the lines above",
                1,
                arguments,
            )
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, hint: str | None, code: int, arguments: Sequence[str]) -> int:
    sys.stderr.write(f"frostline: {message}\n" + (f"hint: {hint}\n" if hint else ""))
    if "--json" in arguments:
        typer.echo(json.dumps({"error": message, "hint": hint, "exit_code": code}))
    return code
