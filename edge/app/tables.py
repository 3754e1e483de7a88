"""What there is: names to "module:Class", so that nothing heavy is imported before it is wanted.

A newcomer adds a feature, a backend or a protocol with one file and one line here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from edge.config.options import Option, did_you_mean
from edge.errors import ConfigurationError

FEATURES = {
    "paper_spectrogram": "edge.features.spectrogram:PaperSpectrogram",
    "log_mel": "edge.features.log_mel:LogMel",
}
BACKENDS = {
    "tensorrt": "edge.backends.tensorrt:TensorRtBackend",
    "onnxruntime": "edge.backends.onnx_runtime:OnnxRuntimeBackend",
    "openvino": "edge.backends.openvino:OpenVinoBackend",
}
AUTO_BACKENDS = ("tensorrt", "onnxruntime")  # what `auto` tries; openvino gains too little for its memory (measured)
PROTOCOLS = {
    "osc": "edge.outputs.osc:OscCodec",
    "json": "edge.outputs.json_udp:JsonCodec",
    "binary": "edge.outputs.binary:BinaryCodec",
    "vmc": "edge.outputs.vmc:VmcCodec",
    "livelink": "edge.outputs.live_link_face:LiveLinkFaceCodec",
    "vrchat": "edge.outputs.vrchat:VrchatCodec",
    "ifacialmocap": "edge.outputs.ifacialmocap:IFacialMocapCodec",
}
NODES = {  # receivers that are neither a codec on a transport nor a robot of ours
    "ros": "edge.robots.ros_output:RosOutput",
}
SOUND = "sound"  # no wire format of frames: what is heard, beside them
TRANSPORTS = {
    "udp": "edge.outputs.udp:UdpTransport",
    "greeted": "edge.outputs.greeted:GreetedTransport",
}


def load_class(table: Mapping[str, str], name: str) -> Any:
    """Import what a table names.

    Raises:
        ConfigurationError: The name is not in the table.
    """
    if name not in table:
        raise ConfigurationError(
            name, "there is no such thing", did_you_mean(name, table) or f"Known are {', '.join(table)}"
        )
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def protocol_options() -> dict[str, Sequence[Option]]:
    """Return each protocol's own keys, for the configuration."""
    tables = {**PROTOCOLS, **NODES}
    return {**{name: load_class(tables, name).OPTIONS for name in tables}, "robot": (), SOUND: ()}
