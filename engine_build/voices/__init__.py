"""Variety of voices: changed recordings, synthetic speakers, augmentation, and sounds that are not speech."""
