"""What every method is made of: the base class, batches, seeds, noise, memories, the vector of weights."""
