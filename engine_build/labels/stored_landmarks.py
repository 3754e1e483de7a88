"""Label a corpus whose landmarks were stored: `python -m engine_build.labels.stored_landmarks FOLDER --out FILE`.

In: a folder with `landmarks.npz` (mediapipe_index [L]; delta_px16 [N, L, 3] int16: sixteenths of a pixel, the first
frame of each clip absolute, the others as differences; clips, n_frames) and `labels.npz` (fps, face_found [N]). Out: a
label file (see `label_file`) with the extra key geometry_picture [N, 3].
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edge.errors import AuEdgeError, InputError
from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.fit import LandmarkClip, fit_clips
from engine_build.labels.geometry import picture_geometry
from engine_build.labels.label_file import masked, symmetrised, write_labels

SUBPIXELS = 16


def read_clips(folder: Path) -> list[LandmarkClip]:
    """Read the landmarks of a corpus.

    Raises:
        InputError: A file is missing, or the stored points are not those of the blendshape face.
    """
    for name in ("landmarks.npz", "labels.npz"):
        if not (folder / name).is_file():
            raise InputError(f"landmarks in {folder}", f"there is no {name}", "Give the folder that holds both files")
    with np.load(folder / "landmarks.npz") as stored, np.load(folder / "labels.npz") as more:
        landmarks = blendshape_face().landmarks
        if not np.array_equal(stored["mediapipe_index"], landmarks):
            raise InputError(
                f"the {len(landmarks)} points of the blendshape face in {folder}",
                f"{len(stored['mediapipe_index'])} points, other ones or in another order",
                "Store the points that engine_build.labels.landmark_points.LANDMARKS names",
            )
        deltas, found, fps = stored["delta_px16"], more["face_found"], round(float(more["fps"]), 3)
        clips, start = [], 0
        for name, n_frames in zip(stored["clips"], stored["n_frames"], strict=True):
            span = slice(start, start + int(n_frames))
            points = np.cumsum(deltas[span].astype(np.int32), axis=0) / SUBPIXELS
            clips.append(LandmarkClip(str(name), points, found[span].astype(bool), fps))
            start = span.stop
    return clips


def main(arguments: list[str] | None = None) -> int:
    """Label the corpus from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with landmarks.npz and labels.npz")
    parser.add_argument("--out", type=Path, required=True, help="label file to write (.npz)")
    parser.add_argument("--mask", nargs="*", default=[], metavar="PREFIX", help="channels not to learn, e.g. eyeBlink")
    parser.add_argument("--two-sided", action="store_true", help="keep differences of left and right")
    given = parser.parse_args(arguments)
    try:
        clips = [clip for clip in read_clips(given.folder) if clip.is_found.any()]
        labels = fit_clips(clips)
    except AuEdgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    picture = np.concatenate([picture_geometry(clip.points, blendshape_face().landmarks) for clip in clips])
    labels = labels if given.two_sided else symmetrised(labels)
    labels = masked(labels, tuple(given.mask)) if given.mask else labels
    write_labels(given.out, labels, {"geometry_picture": picture.astype(np.float32)})
    print(labels.residual)
    return 0


if __name__ == "__main__":
    sys.exit(main())
