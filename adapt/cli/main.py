"""Entry point of `python -m adapt` and of the script `adapt`: imports nothing that takes long."""

import sys
from typing import Any


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code."""
    try:
        from adapt.cli.shared.endings import run_command
    except KeyboardInterrupt:  # before anything could be prepared for it
        print("stopped by Ctrl-C: nothing had begun", file=sys.stderr)
        sys.exit(130)
    sys.exit(run_command(_command))


def _command() -> Any:
    from adapt.cli.app import app  # here, so that Ctrl-C while it is read ends in a sentence too

    return app(standalone_mode=False)
