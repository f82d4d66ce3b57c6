"""Work of one's own, done in the greenest hours before a deadline: a command, a Python function, trials of a study."""
