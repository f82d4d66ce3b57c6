"""EC-NAS studies: figures, tables, surrogate and optimizers."""
