"""The one kind of error that a user can cause, and how a command line tells it."""

import sys


class UserError(Exception):
    """Something the user can put right. The message is one sentence that names the thing and what to do."""


def run_command(main, again="run the same command again to go on"):
    """Runs a command line's `main` and exits: 2 and a sentence for a `UserError` or what the system refuses, such as a
    file on a full disk, 130 and `again` when interrupted."""
    try:
        main()
    except UserError as error:
        sys.exit(_report(error, 2))
    except OSError as error:
        if not error.errno:
            raise
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(_report(f"{place}{error.strerror}; mend that or choose another place, then {again}.", 2))
    except KeyboardInterrupt:
        sys.exit(_report(f"interrupted; {again}.", 130))


def _report(message, code):
    print(f"error: {message}", file=sys.stderr)
    return code
