"""Where applications are heard: OSC and ROS 2 messages that ask for moods, looks and gestures."""
