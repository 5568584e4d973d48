"""Curvature of a loss: products with the Hessian or Gauss-Newton matrix, eigenpairs, exact matrices, density, trace."""

from eigentrail.curvature.operator import Curvature as Curvature
