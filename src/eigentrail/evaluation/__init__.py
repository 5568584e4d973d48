"""Loss, accuracy and gradients of networks: add-back curves, landscapes, loss scaling, ranks of gradients."""

from eigentrail.evaluation.add_back import add_back as add_back
from eigentrail.evaluation.add_back import alike as alike
from eigentrail.evaluation.candidates import Candidates as Candidates
from eigentrail.evaluation.gradient_ranks import gradient_ranks as gradient_ranks
from eigentrail.evaluation.landscape import landscape as landscape
from eigentrail.evaluation.scaling import LossScaling as LossScaling
from eigentrail.evaluation.scaling import loss_scaling as loss_scaling
