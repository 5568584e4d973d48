"""Open a run from whatever it lies on disk as."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from eigentrail.errors import RunError
from eigentrail.runs import manifest, trajectory
from eigentrail.runs.checkpoint_folder import CheckpointFolder
from eigentrail.runs.recorded import RecordedRun
from eigentrail.runs.run import Run
from eigentrail.runs.zipped import unpack


def open_run(
    path: str | os.PathLike[str], *, analyses: str | os.PathLike[str] | None = None, trust: bool = False
) -> Run:
    """Open a recorded training, finished, interrupted or still going on, or a folder of numbered checkpoints.

    Args:
        path: the run's folder, or a zip file of it; or a folder of checkpoints (`epoch_12.pt`, `checkpoint-500/`, ...)
            in any format that weights are read from.
        analyses: the folder where results are stored: in the run by default, for a folder of checkpoints in memory
            only, because nothing is written beside somebody's files.
        trust: True to import and call whatever the run names to build its network and to load its samples, here and in
            every analysis of it. Without it a run, which may come from somebody else, gets only what is eigentrail's
            own, torch's, or imported already.

    Returns:
        The run as it is committed now; `refresh` looks again.

    Raises:
        RunError: there is no run.
    """
    folder = Path(path)
    results = None if analyses is None else Path(analyses)
    if folder.is_file() and zipfile.is_zipfile(folder) and folder.suffix.lower() == ".zip":
        folder = unpack(folder)
    if not folder.is_dir():
        raise RunError(
            f"{folder} is {'no folder' if folder.exists() else 'not there'}: give the folder of a run"
        )
    if (folder / manifest.FILE).is_file():
        run: Run = RecordedRun(folder, results)
        run.trusted = trust
        return run
    if (folder / trajectory.FOLDER).is_dir():
        raise RunError(f"{folder} has a trajectory and no {manifest.FILE}; the run's folder is damaged")
    return CheckpointFolder(folder, results)
