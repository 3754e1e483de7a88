"""Which network runs, on which backend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edge.app.tables import AUTO_BACKENDS, BACKENDS, load_class
from edge.config.options import did_you_mean
from edge.config.settings import Settings
from edge.contracts import InferenceBackend
from edge.errors import AuEdgeError, BackendError, ConfigurationError, ConfigurationMistakesError, ModelError
from edge.manifest import Manifest, load_manifest

PLAYED_NETWORK = "stream-100ms"  # sound that is played is known before it is heard
DEFAULTS = "default.conf"  # origin of what nobody set


def shipped_models() -> dict[str, Path]:
    """Return the networks that come with the package: name -> manifest."""
    folder = Path(str(resources.files("edge").joinpath("models")))
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def shipped_speech() -> Path:
    """Return the recording that speaks where there is no microphone."""
    return Path(str(resources.files("edge").joinpath("demo").joinpath("speech.flac")))


def find_manifest(path: str) -> Manifest:
    """Load the manifest of a shipped network by its name, or any by its path.

    Raises:
        ModelError: Neither a shipped name nor a usable file.
    """
    models = shipped_models()
    if path in models:
        return load_manifest(models[path])
    if Path(path).suffix.lower() == ".json":
        return load_manifest(Path(path))
    if os.path.exists(path):  # unlike Path.exists it has an answer also to what can be no path
        raise ModelError(f"model {path}", "it is not a manifest", "Give the .json file that lies beside the network")
    hint = did_you_mean(path, models) or f"Shipped networks are {', '.join(models) or 'none'}"
    raise ModelError(f"model {path!r}", "no shipped network has this name", f"{hint}; or give the path of a manifest")


def network_name(settings: Settings) -> str:
    """Return the network that is to run: where sound is played and none was named, the one whose look-ahead is free."""
    is_named = settings.origins.get("model.path", DEFAULTS) != DEFAULTS
    return settings.model.path if is_named or not settings.audio.play else PLAYED_NETWORK


def check_channels(settings: Settings, manifest: Manifest) -> None:
    """Refuse gains and limits for channels that the network does not have.

    Raises:
        ConfigurationMistakesError: All of them.
    """
    mistakes: list[AuEdgeError] = []
    for section, table in (("gain", settings.gain), ("limit", settings.limit)):
        for name in table:
            if name != "default" and name not in manifest.channels:
                remedy = did_you_mean(name, manifest.channels) or f"{manifest.path} lists its channels"
                where = f"{section}.{name} in {settings.origins.get(f'{section}.{name}', '?')}"
                mistakes.append(ConfigurationError(where, f"network {manifest.name} has no such channel", remedy))
    if mistakes:
        raise ConfigurationMistakesError(mistakes)


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs, and why.

    Attributes:
        backend: The chosen one.
        reason: One line for the log.
    """

    backend: InferenceBackend
    reason: str


def make_backend(name: str, settings: Settings) -> InferenceBackend:
    """Make a backend by its name; nothing is loaded yet."""
    kind = load_class(BACKENDS, name)
    backend: InferenceBackend = kind(engine=settings.model.engine) if name == "tensorrt" else kind()
    return backend


def choose_backend(settings: Settings, manifest: Manifest) -> BackendChoice:
    """Take the configured backend, or with `auto` the fastest that is usable.

    Raises:
        BackendError: None is usable, or the configured one is not: an explicit choice never falls back.
    """
    wanted = settings.model.backend
    refusals: list[str] = []
    for name in AUTO_BACKENDS if wanted == "auto" else (wanted,):
        backend = make_backend(name, settings)
        why_not = backend.probe(manifest)
        if why_not is None:
            # The first words of each refusal are enough for a log; `au-edge check` has the remedies.
            others = f" ({'; '.join(refusal.partition(' (')[0] for refusal in refusals)})" if refusals else ""
            reason = "asked for" if wanted != "auto" else f"the fastest that is usable here{others}"
            return BackendChoice(backend, f"backend {name}: {reason}")
        refusals.append(f"{name}: {why_not}")
    raise BackendError(f"model.backend = {wanted}", "; ".join(refusals), "`au-edge check` says what each backend needs")
