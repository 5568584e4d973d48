"""Data sets in memory: by name, from a folder, or anybody's own."""

from eigentrail.data.augmentation import Augmentation, black_of
from eigentrail.data.cifar import load_cifar10, load_cifar100
from eigentrail.data.dataset import Data, in_precision
from eigentrail.data.derive import label_noise, select_classes, take
from eigentrail.data.digits import load_digits
from eigentrail.data.fetching import fetch
from eigentrail.data.for_images import for_images
from eigentrail.data.mnist import load_fashion_mnist, load_mnist
from eigentrail.data.normalization import Normalization
from eigentrail.data.own import from_tensors
from eigentrail.data.rebuilding import rebuild
from eigentrail.data.registry import as_data, load, names, resolve
from eigentrail.data.svhn import load_svhn
from eigentrail.data.text import characters, load_tinyshakespeare

__all__ = [
    "Augmentation",
    "Data",
    "Normalization",
    "as_data",
    "black_of",
    "characters",
    "fetch",
    "for_images",
    "from_tensors",
    "in_precision",
    "label_noise",
    "load",
    "load_cifar10",
    "load_cifar100",
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_svhn",
    "load_tinyshakespeare",
    "names",
    "rebuild",
    "resolve",
    "select_classes",
    "take",
]
