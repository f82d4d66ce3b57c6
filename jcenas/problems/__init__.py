"""What a search is about: a space with its costs and features, and how one architecture is evaluated."""
