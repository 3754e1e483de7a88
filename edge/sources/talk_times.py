"""The times that talking goes by; see `edge.sources.talk`."""

from __future__ import annotations

from edge.sources.pace import FAST, LIVE, REALTIME

PAUSE_S = 0.25  # a writer's hiccup below this is silence within an utterance, a longer one is an end
GRACE_S = {REALTIME: 0.04, LIVE: 0.08, FAST: PAUSE_S}  # how late sound may be before silence is heard in its place
STALL_S = 1.0  # of a writer while another waits
GRID_S = 0.1  # of the axis, on which utterances begin: whole frames at any usual rate, so that a sentence's frames
# lie in it as they do in a file
TAIL_S = 0.15  # of silence behind an utterance: two frames to rest, and what filters hold back
CUT_LOOK_S = 0.005  # while what another has said before is still to be heard
MAX_LATE_S = 0.02  # where the writer is later than this, time is counted anew and no burst follows
