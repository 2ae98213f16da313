"""How a strategy is examined: train on each task, test every task, yield rows."""
