"""Curvature of a loss: products with the Hessian or Gauss-Newton matrix, eigenpairs, exact matrices, density, trace."""

from eigentrail.curvature.eigenbasis import eigenbasis as eigenbasis
from eigentrail.curvature.eigenvector_relations import EigenvectorRelations as EigenvectorRelations
from eigentrail.curvature.eigenvector_relations import relate_eigenvectors as relate_eigenvectors
from eigentrail.curvature.eigenvector_statistics import eigenvector_statistics as eigenvector_statistics
from eigentrail.curvature.hessian_levels import hessian_levels as hessian_levels
from eigentrail.curvature.hessian_levels import hessian_spacings as hessian_spacings
from eigentrail.curvature.layer_overlaps import layer_overlaps as layer_overlaps
from eigentrail.curvature.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from eigentrail.curvature.local_gaussianity import local_gaussianity as local_gaussianity
from eigentrail.curvature.model_loss import ModelLoss as ModelLoss
from eigentrail.curvature.operator import Curvature as Curvature
from eigentrail.curvature.run_weights import run_weights as run_weights
from eigentrail.curvature.sharpness import block_shares as block_shares
from eigentrail.curvature.sharpness import compare_sharpness as compare_sharpness
from eigentrail.curvature.sharpness import diagonal_sharpness as diagonal_sharpness
from eigentrail.curvature.sharpness import even_band as even_band
from eigentrail.curvature.singular_overlaps import singular_overlaps as singular_overlaps
from eigentrail.curvature.top_along_run import top_along_run as top_along_run
from eigentrail.curvature.variance_flatness import crossing_curvature as crossing_curvature
from eigentrail.curvature.variance_flatness import variance_along as variance_along
from eigentrail.curvature.variance_flatness import variance_flatness as variance_flatness
from eigentrail.curvature.variance_flatness import variance_flatness_of as variance_flatness_of
from eigentrail.curvature.weight_decay_shift import weight_decay_shift as weight_decay_shift
from eigentrail.curvature.weight_product import weight_product as weight_product
from eigentrail.curvature.weight_product import weight_products as weight_products
