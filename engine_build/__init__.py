"""From recordings to an engine: labels, voices, data set, network, training, evaluation, export, build, verify."""
