"""A microphone without hardware: an ALSA plug-in whose air the tests own."""
