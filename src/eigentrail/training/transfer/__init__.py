"""Transfer: a trained classifier on other data, with as little tuning as it takes."""

from eigentrail.training.transfer.fitting import TransferSettings as TransferSettings
from eigentrail.training.transfer.fitting import descend as descend
from eigentrail.training.transfer.methods import Transferred as Transferred
from eigentrail.training.transfer.methods import linear_probe as linear_probe
from eigentrail.training.transfer.methods import tune_all as tune_all
from eigentrail.training.transfer.methods import tune_layer as tune_layer
from eigentrail.training.transfer.methods import tune_layer_with_skip as tune_layer_with_skip
from eigentrail.training.transfer.set_sizes import accuracy_against_size as accuracy_against_size
from eigentrail.training.transfer.set_sizes import all_methods as all_methods
from eigentrail.training.transfer.skip_connection import SkipConnection as SkipConnection
