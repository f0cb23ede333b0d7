"""The one kind of error that a user can cause, and how a command line tells it."""

import sys


class UserError(Exception):
    """Something the user can put right. The message is one sentence that names the thing and what to do."""


def run_command(main):
    """Runs a command line's `main` and exits: 2 with one sentence for a `UserError`, 130 when interrupted."""
    try:
        main()
    except UserError as error:
        sys.exit(_report(error, 2))
    except KeyboardInterrupt:
        sys.exit(_report("interrupted; run the same command again to go on", 130))


def _report(message, code):
    print(f"error: {message}", file=sys.stderr)
    return code
