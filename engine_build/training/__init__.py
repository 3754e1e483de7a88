"""Training: configuration, batches, targets, losses, scores, the loop and its plot."""
