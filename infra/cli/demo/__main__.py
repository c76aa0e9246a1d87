"""`make demo`: servers, a real log, a model, and a slate that changes as events arrive.

Ctrl-C at any point stops everything that runs; at a normal end the servers go on.
"""

import sys


def main() -> int:
    """The exit code. The imports take seconds, so Ctrl-C must find them inside."""
    try:
        from infra.cli.demo.steps import run  # noqa: PLC0415
        from infra.local.settings import LocalSettings  # noqa: PLC0415

        run(LocalSettings())
    except KeyboardInterrupt:
        from infra.local import servers  # noqa: PLC0415
        from infra.local.settings import LocalSettings  # noqa: PLC0415

        sys.stdout.write("\nStopping everything ...\n")
        stopped = servers.down(LocalSettings())
        sys.stdout.write(f"Stopped: {', '.join(stopped) or 'nothing was running'}. Data stays.\n")
        return 1
    except Exception as error:
        from infra.cli.failures import failure_of  # noqa: PLC0415

        if (failure := failure_of(error)) is None:
            raise
        sys.stderr.write(f"demo: {failure.sentence}\n")
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
