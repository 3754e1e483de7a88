"""Where sound goes: the loudspeaker, which is the clock of the face while it plays."""
