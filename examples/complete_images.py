"""Complete scikit-learn's two sample images from 10, 30 and 50% of their pixels, and draw what comes out.

python examples/complete_images.py completed_images.jpg
"""

import sys

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

import eigentrail as et

SHARES = (0.1, 0.3, 0.5)
TILE, LINE = (240, 160), 14


def tile(pixels: np.ndarray, text: str) -> Image.Image:
    """Draw an image [rows, columns] of numbers from 0 to 1 with a line of text above it."""
    sheet = Image.new("L", (TILE[0], TILE[1] + LINE), 255)
    picture = Image.fromarray(np.uint8(np.round(255 * np.clip(pixels, 0, 1))))
    sheet.paste(picture.resize(TILE, Image.Resampling.BOX), (0, LINE))
    ImageDraw.Draw(sheet).text((2, 1), text, fill=0)
    return sheet


rows = []
for number, colours in enumerate(load_sample_images().images):
    image = colours.mean(axis=2) / 255.0
    observed = [tile(image, "all pixels")]
    completed = [tile(np.ones(image.shape), "")]
    for share in SHARES:
        mask = np.random.default_rng(number).random(image.shape) < share
        found = et.complete(image, mask, progress=False)
        gap = (found.estimate - image)[~mask]
        error = np.linalg.norm(gap) / np.linalg.norm(image[~mask])
        print(
            f"image {number + 1}, {share:.0%} of the pixels: rank {found.rank}, unobserved ones missed by {error:.1%}, "
            f"held-out ones by {found.error:.1%}, by row and column means {found.baseline:.1%}"
        )
        observed.append(tile(np.where(mask, image, 1.0), f"{share:.0%} of them"))
        completed.append(tile(found.matrix, f"completed, rank {found.rank}: off by {error:.0%}"))
    rows += [observed, completed]

picture = Image.new("L", (4 * TILE[0], len(rows) * (TILE[1] + LINE)), 255)
for i, row in enumerate(rows):
    for j, one in enumerate(row):
        picture.paste(one, (j * TILE[0], i * (TILE[1] + LINE)))
picture.save(sys.argv[1] if len(sys.argv) > 1 else "completed_images.jpg", quality=80, optimize=True)
