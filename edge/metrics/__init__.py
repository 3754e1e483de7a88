"""What the program counts about itself, and the endpoint that shows it to Prometheus."""
