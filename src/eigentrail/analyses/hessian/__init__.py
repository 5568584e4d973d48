"""The parts of the analysis `curvature`: one step of a run, its Hessian, and what is laid beside its eigenvectors."""
