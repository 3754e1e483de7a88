"""Where sound comes from: microphone, sound file, synthetic."""
