"""ALSA through PortAudio, for microphone and loudspeaker: devices and their names, streams, time stamps."""
