"""The commands that make a network: `python -m engine_build COMMAND --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge.machine.starting import end_unheard

COMMANDS = {
    "label": ("engine_build.labels.label", "make labels from videos of speaking people"),
    "landmarks": ("engine_build.labels.stored_landmarks", "make labels from stored landmarks of several speakers"),
    "voices": ("engine_build.voices.make_voices", "make more voices: changed recordings, synthetic speakers, noise"),
    "transcribed": ("engine_build.voices.transcribed_corpus", "label recordings of which only the words are known"),
    "train": ("engine_build.training.train", "train a network; a killed run goes on"),
    "folds": ("engine_build.training.folds", "train small networks to tell what a voice never heard gets"),
    "evaluate": (
        "engine_build.evaluation.evaluate",
        "measure a network on recordings with labels: report.html, report.json",
    ),
    "articulate": ("engine_build.evaluation.articulate", "fit how far each channel of a network is shown"),
    "effort": ("engine_build.effort.command", "fit what each measure of a voice counts for in vocal effort"),
    "export": ("engine_build.export", "write a trained network as ONNX with its manifest"),
    "quantize": ("engine_build.engine.quantize", "write an int8 version of an exported network"),
    "build": ("engine_build.engine.build", "build a TensorRT engine from an exported network"),
    "verify": ("engine_build.engine.verify", "compare an engine with the network it was built from"),
}
_EXAMPLE = "example: python -m engine_build train config.json --out runs/stream"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    from calibration.command_line import run_command

    return run_command("engine_build", __doc__, COMMANDS, _EXAMPLE, argv)


if __name__ == "__main__":
    end_unheard()
    sys.exit(main())
