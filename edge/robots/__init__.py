"""Robots: from a face to the commands of servos, within limits that hold whatever comes in."""
