"""DARTS and NASNet: networks of one genotype, supernet with the genotype as data, costs."""
