"""S3's first and third parts as experiments: collapse, separation with depth, and transfer."""

from eigentrail.recipes.experiments.feature_geometry import collapse as collapse
from eigentrail.recipes.experiments.feature_geometry import separation as separation
from eigentrail.recipes.experiments.feature_geometry import transfer as transfer
from eigentrail.recipes.experiments.feature_geometry.source_table import source_table as source_table
from eigentrail.recipes.experiments.feature_geometry.source_table import table_claims as table_claims
