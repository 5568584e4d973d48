"""Eigen-solvers, each once: arrays and callables in, eigenvalues and vectors out; and the cores they may use."""
