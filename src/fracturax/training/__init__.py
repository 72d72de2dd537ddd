"""From a recipe and cases to weights: batches, losses, the loop. Needs the `train` extra."""
