"""The `tidemill` command: its families, each in a file of its own, and nothing else.

A family is imported when it is called, so that `--help` and quick commands stay quick. Exit codes:
0 done, 1 it failed and says why in one line on stderr, 2 wrong call or wrong setting.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

FAMILIES = {
    "up": ("up", "Start real servers and workers in the background; safe to repeat."),
    "status": ("status", "Servers, workers, lag, and who owns what."),
    "down": ("down", "Stop everything that runs here."),
    "region": ("regions", "Who owns what, failover and failback; a peer's states."),
    "replay": ("replay", "A real log as events, with a progress bar."),
    "recommend": ("recommend", "What one user would see, and why."),
    "train": ("train", "Fit the blend on a data set and write it as a release."),
    "evaluate": ("evaluate", "Measure the model on a data set, beside the floors."),
    "release": ("release", "Serve a release: Triton first, then the workers."),
    "promote": ("promote", "Serve the canary to all."),
    "rollback": ("rollback", "Away from a canary, or back to what was served before."),
    "releases": ("releases", "What was released, what is served where, and to whom."),
    "topics": ("topics", "Create the topics, or check them."),
    "dead-letters": ("dead_letters", "What was refused and why; put back what can be read now."),
    "backup": ("backup", "Save this region's states, control topics and releases; join them back."),
    "bench": ("bench", "Measure the engine and the model; needs a checkout."),
    "drill": ("drill", "Break the engine and check what it did; needs a checkout of the source."),
    "settings": ("settings", "Every setting with its type, default and value."),
}


class Families(TyperGroup):
    """Knows each family's name and help, and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is Typer's
        return list(FAMILIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in FAMILIES:
            return None
        return TyperCommand(cmd_name, help=FAMILIES[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        if found is None:
            return name, found, rest
        module = importlib.import_module(f"infra.cli.{FAMILIES[found.name or ''][0]}")
        loaded = typer.main.get_command(module.app)
        loaded.name = found.name
        return name, loaded, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            from infra.cli.failures import failure_of  # noqa: PLC0415 - knows every package

            if (failure := failure_of(error)) is None:
                raise
            typer.echo(f"tidemill: {failure.sentence}", err=True)
            raise typer.Exit(failure.exit_code) from error


app = typer.Typer(
    cls=Families,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def tidemill() -> None:
    """Recommendations as a stream on Kafka.

    Exit codes: 0 done, 1 it failed and says why on stderr, 2 wrong call or wrong setting.
    """
