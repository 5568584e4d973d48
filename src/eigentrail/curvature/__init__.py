"""Curvature of a loss: products with the Hessian or Gauss-Newton matrix, eigenpairs, exact matrices, density, trace."""
