"""What the machine is and gives: time, scheduling, the service manager, facts and sensors of the board."""
