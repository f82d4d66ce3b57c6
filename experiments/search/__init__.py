"""Live searches: the default command's time, carbon, and the shipped table of digits."""
