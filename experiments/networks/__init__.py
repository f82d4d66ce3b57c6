"""Training steps, populations and complete trainings beside PyTorch."""
