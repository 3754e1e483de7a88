"""Spread work over the processors of a machine, or over a cluster: what the commands that take `--jobs` share.

The work itself goes through joblib, which hands it to its own processes or, on a cluster, to Dask's. Workers read and
write the very files that the command names, so a cluster needs a folder that all its machines have at the same place.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import ConfigurationError, DeviceError

CONNECT_S = 20


def add_jobs_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare `--jobs` and `--cluster`.

    Args:
        parser: Of a command.
        what: What the processes do.
    """
    parser.add_argument("--jobs", type=int, default=1, help=f"processes that {what} (joblib; default 1)")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="Dask scheduler, such as tcp://host:8786, whose workers do it instead; files at the same place everywhere",
    )


@contextmanager
def on_cluster(args: argparse.Namespace) -> Iterator[None]:
    """Let joblib's work within go to the cluster that a command was given; paths of the command become absolute.

    Args:
        args: With `cluster`; without one (or with None) nothing changes.

    Raises:
        ConfigurationError: Dask is not installed.
        DeviceError: The scheduler does not answer.
    """
    address = getattr(args, "cluster", None)
    if not address:
        yield
        return
    try:
        import joblib
        from distributed import Client
    except ImportError as err:
        raise ConfigurationError(
            f"cluster {address}", f"Dask cannot be imported ({err})", "Install it: pip install dask distributed"
        ) from err
    for name, value in vars(args).items():  # workers have other working folders
        if isinstance(value, Path):
            setattr(args, name, value.absolute())
        elif isinstance(value, list) and value and all(isinstance(one, Path) for one in value):
            setattr(args, name, [one.absolute() for one in value])
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as err:
        raise DeviceError(
            f"cluster {address}", f"no Dask scheduler answers ({err})", "Start `dask scheduler`, and name its address"
        ) from err
    with client, joblib.parallel_config(backend="dask"):
        yield
