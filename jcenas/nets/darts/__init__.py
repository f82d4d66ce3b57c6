"""DARTS: the network with all operations of every edge mixed, which differentiable search descends on."""
