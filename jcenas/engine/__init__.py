"""What the simulated and the live search share: observation, stages, queue, budgets, the search's state."""
