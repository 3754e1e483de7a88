"""The program beside its peers, in one interleaved run; the page docs/performance.md is written from its result.

    python -m tests.benchmarks measure --out result.json
    python -m tests.benchmarks page result.json --out docs/performance.md

Not part of the wheel, and no test is here: `tests/edge/bench` and `tests/benchmarks/test_ratios.py` are.
"""
