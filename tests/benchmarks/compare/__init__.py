"""au-edge beside its peers on filmed speakers; docs/compare.md is written from the result.

    python -m tests.benchmarks.compare measure CORPUS --phones phones.json --speakers s31 s5 --out compare.json
    python -m tests.benchmarks.compare page tests/benchmarks/compare/compare.json --out docs/compare.md

CORPUS holds `audio/` and `labels.npz` as `python -m engine_build landmarks` writes them, phones.json is that of
`engine_build voices`. Peers run where they are: Node packages in a folder (`--npm`), pylipsync and rhubarb where they
are installed. What does not run is named on the page.
"""
