"""What every program here shares: where the server is, the steps of a story, and how they are reported."""

import os
import pathlib
import sys
import traceback

CLIENT = pathlib.Path(sys.argv[0]).stem
ROOT = os.environ["ODATA_ROOT"]
USER = os.environ["ODATA_USER"]
PASSWORD = os.environ["ODATA_PASSWORD"]

_steps = []


def step(name):
    """Adds a step: a function that raises when something is not as it should be."""

    def add(run):
        _steps.append((name, run))
        return run

    return add


def equal(found, expected):
    """Raises when they differ, and says both."""
    if found != expected:
        raise AssertionError(f"{found!r} instead of {expected!r}")


def failure(kind, run):
    """Raises unless `run` raises a `kind`; gives it."""
    try:
        result = run()
    except kind as error:
        return error
    raise AssertionError(f"no failure but {result!r}")


def tell():
    """Runs the steps in order, a line for each; the exit status is 1 when one failed."""
    failed = False
    for name, run in _steps:
        try:
            run()
            print(f"ok {CLIENT} {name}", flush=True)
        except Exception as error:  # whatever a library raises
            failed = True
            place = traceback.extract_tb(error.__traceback__)
            where = " / ".join(f"{pathlib.Path(frame.filename).name}:{frame.lineno}" for frame in place)
            print(f"FAILED {CLIENT} {name}: {type(error).__name__}: {error} ({where})"[:2000], flush=True)
    sys.exit(1 if failed else 0)
