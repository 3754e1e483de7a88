"""What the application wants of the face: moods, gaze, gestures, layered under the speech and never breaking it."""
