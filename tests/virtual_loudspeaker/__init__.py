"""A loudspeaker without hardware: an ALSA plug-in whose every sample is kept with the time at which it was played."""
