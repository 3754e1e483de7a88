"""How many connections strangers may hold, so that capture and outputs always find a descriptor."""

from __future__ import annotations

import resource


def connection_share(most: int, part: int = 32) -> int:
    """Return how many connections a listener may have open at once.

    Args:
        most: Where there are descriptors enough.
        part: It takes at most one of so many that the process may have (`ulimit -n`).

    Returns:
        2 to `most`.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return most
    return min(most, max(2, limit // part))
