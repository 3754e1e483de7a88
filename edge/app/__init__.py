"""The composition root: the one place that knows concrete classes."""

from edge.app.controls import make_controls
from edge.app.hearing import has_microphone, is_played, make_source
from edge.app.models import (
    DEFAULTS,
    BackendChoice,
    check_channels,
    choose_backend,
    find_manifest,
    make_backend,
    network_name,
    shipped_models,
    shipped_speech,
)
from edge.app.pipelines import make_every_stage, make_expression, make_features, make_pipeline, make_stages
from edge.app.playing import make_player
from edge.app.receivers import make_outputs
from edge.app.tables import BACKENDS, FEATURES, PROTOCOLS, TRANSPORTS, load_class, protocol_options

__all__ = [
    "BACKENDS",
    "DEFAULTS",
    "FEATURES",
    "PROTOCOLS",
    "TRANSPORTS",
    "BackendChoice",
    "check_channels",
    "choose_backend",
    "find_manifest",
    "has_microphone",
    "is_played",
    "load_class",
    "make_backend",
    "make_controls",
    "make_every_stage",
    "make_expression",
    "make_features",
    "make_outputs",
    "make_pipeline",
    "make_player",
    "make_source",
    "make_stages",
    "network_name",
    "protocol_options",
    "shipped_models",
    "shipped_speech",
]
