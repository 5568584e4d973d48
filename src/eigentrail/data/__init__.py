"""Data sets in memory: by name, from a folder, or anybody's own."""

from eigentrail.data.augmentation import Augmentation, black_of
from eigentrail.data.cifar10 import load_cifar10
from eigentrail.data.dataset import Data
from eigentrail.data.digits import load_digits
from eigentrail.data.mnist import load_fashion_mnist, load_mnist
from eigentrail.data.normalization import Normalization
from eigentrail.data.own import from_tensors
from eigentrail.data.registry import as_data, load, names, resolve

__all__ = [
    "Augmentation",
    "Data",
    "Normalization",
    "as_data",
    "black_of",
    "from_tensors",
    "load",
    "load_cifar10",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "names",
    "resolve",
]
