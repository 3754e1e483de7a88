"""Find the face in pictures with MediaPipe's Face Landmarker, the only file that imports mediapipe.

In: pictures with their times. Out: the landmarks that labels rest on, in pixels, and whether a face was found.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigurationError
from engine_build.labels.landmark_points import LANDMARKS

Float64 = NDArray[np.float64]

LEAST_CONFIDENCE = 0.5  # MediaPipe's default for detection, presence and tracking
WHERE = (
    "Get face_landmarker.task from Google's page of MediaPipe models "
    "(ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker, about 4 MB) and give it with --model"
)


class FaceFinder(Protocol):
    """What finds faces; one is used for one video, picture by picture."""

    def find(self, rgb: NDArray[np.uint8], time_s: float) -> Float64 | None:
        """Return the landmarks [n_landmarks, 3] (pixels: x right, y down, z away) or None where there is no face."""
        ...

    def count(self, rgb: NDArray[np.uint8]) -> int:
        """Return how many faces a picture shows, up to two, looked at by itself."""
        ...


def landmarker_points(points: Any, width: int, height: int) -> Float64:
    """Take the stored landmarks out of MediaPipe's answer and scale them to pixels; depth is on the scale of x."""
    chosen = [points[index] for index in LANDMARKS]
    return np.array([[point.x * width, point.y * height, point.z * width] for point in chosen])


class MediaPipeFinder:
    """Faces by MediaPipe; tracks from picture to picture.

    Args:
        model: The Face Landmarker bundle (`.task`).

    Raises:
        ConfigurationError: mediapipe is not installed, or the bundle is missing or of another kind.
    """

    def __init__(self, model: Path) -> None:
        asked = "to find faces"
        try:
            import mediapipe
            from mediapipe.tasks import python as tasks
            from mediapipe.tasks.python import vision
        except ImportError as error:
            raise ConfigurationError(
                asked, f"mediapipe cannot be imported ({error})", "Install it: pip install mediapipe==1.2.2"
            ) from error
        if not model.is_file():
            raise ConfigurationError(f"{asked} with {model}", "there is no such file", WHERE)
        self._mediapipe = mediapipe

        def landmarker(mode: Any, n_faces: int) -> Any:
            return vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=tasks.BaseOptions(model_asset_path=str(model)),
                    running_mode=mode,
                    num_faces=n_faces,
                    min_face_detection_confidence=LEAST_CONFIDENCE,
                    min_face_presence_confidence=LEAST_CONFIDENCE,
                    min_tracking_confidence=LEAST_CONFIDENCE,
                )
            )

        try:
            self._tracker = landmarker(vision.RunningMode.VIDEO, 1)
            self._counter = landmarker(vision.RunningMode.IMAGE, 2)
        except (RuntimeError, ValueError, OSError) as error:
            raise ConfigurationError(f"{asked} with {model}", f"MediaPipe refuses it ({error})", WHERE) from error
        self._last_ms = -1

    def find(self, rgb: NDArray[np.uint8], time_s: float) -> Float64 | None:
        """Return the landmarks of the face in the next picture; times must not go back."""
        self._last_ms = max(self._last_ms + 1, round(time_s * 1000))
        found = self._tracker.detect_for_video(self._image(rgb), self._last_ms).face_landmarks
        return landmarker_points(found[0], rgb.shape[1], rgb.shape[0]) if found else None

    def count(self, rgb: NDArray[np.uint8]) -> int:
        """Return how many faces the picture shows, up to two."""
        return len(self._counter.detect(self._image(rgb)).face_landmarks)

    def _image(self, rgb: NDArray[np.uint8]) -> Any:
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))

    def close(self) -> None:
        """Release MediaPipe's graphs; may be called twice."""
        for graph in (self._tracker, self._counter):
            if graph is not None:
                graph.close()
        self._tracker = self._counter = None

    def __enter__(self) -> MediaPipeFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
