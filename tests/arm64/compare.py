"""Compare the frames that two machines computed: `python -m tests.arm64.compare NETWORK HERE.npz THERE.npz`.

The networks are int8; between them float products may be summed in another order, which moves a rounding now and then.
"""

from __future__ import annotations

import sys

import numpy as np

# Largest difference of an activation (0 to 1), and of a head angle in degrees.
ACTIVATION_LIMIT, HEAD_LIMIT_DEG = 1e-4, 1e-2


def main(network: str, here_path: str, there_path: str) -> int:
    """Print the largest difference of every array; return 0 where all are within the limits."""
    here, there = np.load(here_path), np.load(there_path)
    is_same = sorted(here.files) == sorted(there.files)
    print(f"{network}: arrays {', '.join(sorted(here.files))}")
    for name in sorted(set(here.files) & set(there.files)):
        ours, theirs = here[name], there[name]
        if ours.dtype.kind not in "fiu":
            is_same &= bool(np.array_equal(ours, theirs))
            continue
        if ours.shape != theirs.shape:
            print(f"{network}: {name} is {ours.shape} here and {theirs.shape} there")
            is_same = False
            continue
        difference = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))
        limit = HEAD_LIMIT_DEG if name.startswith("head") else ACTIVATION_LIMIT
        print(f"{network}: {name} {ours.shape}, largest difference {difference:.3g} (limit {limit:g})")
        is_same &= difference <= limit
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
