"""How a strategy is trained and tested: generators, resident batches, flat parameters, the experiment."""
