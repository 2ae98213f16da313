"""What every method is made of: the base class, batches, seeds, noise, memories, one vector of all weights."""
