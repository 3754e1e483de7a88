"""Errors are for people, wherever they were met."""

from __future__ import annotations

import pickle

import pytest

from edge.errors import AuEdgeError, ConfigurationMistakesError, InputError, ModelError
from edge.outputs.link_state import LinkError, LinkState

ERRORS = [
    InputError("recording a.wav", "it is silent", "Unmute the microphone"),
    ModelError("x" * 1000, "a\x1bb", "Correct it"),
    LinkError(LinkState.NO_ROUTE, "udp://x", "no way", "Plug it in"),
    ConfigurationMistakesError([InputError("a", "b", "c"), InputError("d", "e", "f")]),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_whole_out_of_a_process_of_its_own(error: AuEdgeError) -> None:
    """`label`, `voices` and others work in several processes, which hand on what they raise by pickle."""
    came = pickle.loads(pickle.dumps(error))
    assert type(came) is type(error)
    assert str(came) == str(error)
    assert vars(came).keys() == vars(error).keys()
    assert (came.asked, came.found, came.remedy) == (error.asked, error.found, error.remedy)
    assert getattr(came, "state", None) is getattr(error, "state", None)
