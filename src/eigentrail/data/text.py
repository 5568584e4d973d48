"""Text by its characters: sequences, each with the character behind every one of theirs."""

from __future__ import annotations

import os

import torch

from eigentrail.data.dataset import Data
from eigentrail.data.locate import Layout, find_folder
from eigentrail.errors import DataError

_FILES = ("tinyshakespeare.txt", "input.txt")
LAYOUTS = tuple(Layout((file,), folder) for file in _FILES for folder in ("text", "tinyshakespeare"))
#: The characters of a sequence.
CONTEXT = 64
# Of the text, in its order; the rest is held out.
_TRAIN = 0.9
_NAMES = {"\n": "newline", " ": "space", "\t": "tab"}


def load_tinyshakespeare(path: str | os.PathLike[str] | None = None, context: int = CONTEXT) -> Data:
    """Load Tiny Shakespeare (Karpathy): 1,115,394 characters, 65 different ones.

    Args:
        path: the folder of `tinyshakespeare.txt` (or `input.txt`), or one that holds it in a folder called `text` or
            `tinyshakespeare`; None for the one named by EIGENTRAIL_DATA.
        context: the characters of a sequence.

    Returns:
        The first nine tenths of the text for training, as in Karpathy's char-rnn, the rest held out; see `characters`.

    Raises:
        DataError: the file is not there, is no text, or is too short.
    """
    folder, layout = find_folder("tinyshakespeare", LAYOUTS, path)
    file = folder / layout.files[0]
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text: {error}") from error
    return characters(text, context, "tinyshakespeare")


def characters(text: str, context: int = CONTEXT, name: str = "text") -> Data:
    """Cut a text into sequences of characters that follow each other and do not overlap.

    Args:
        text: the text, long enough for one sequence in each part.
        context: the characters of a sequence, T.
        name: what to call it.

    Returns:
        Inputs [n, T] are numbers of characters in the order of their code points, targets [n, T] those of the
        characters that follow. What is left of each part behind its last whole sequence is left out.

    Raises:
        DataError: the text is too short.
    """
    letters = sorted(set(text))
    number = {letter: place for place, letter in enumerate(letters)}
    tokens = torch.tensor([number[letter] for letter in text])
    cut = int(_TRAIN * len(tokens))
    parts = []
    for part in (tokens[:cut], tokens[cut:]):
        count = (len(part) - 1) // context if context > 0 else 0
        if count < 1:
            raise DataError(
                f"{name} has {len(text)} characters, too few for sequences of {context} in a training and a held-out "
                "part: give a longer text, or shorter sequences"
            )
        parts += [
            part[: count * context].view(count, context),
            part[1 : count * context + 1].view(count, context),
        ]
    return Data(
        name,
        parts[0],
        parts[1],
        parts[2],
        parts[3],
        tuple(_NAMES.get(letter, letter) for letter in letters),
        about=f"sequences of {context} characters that do not overlap; the last tenth of the text is held out",
    )
