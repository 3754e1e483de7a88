"""Name the MediaPipe face points that labels rest on: which ones, and what they are on a face.

Indices are those of MediaPipe's 478-point face mesh. "Left" is the subject's left. Rings run from the subject's right
corner over the middle to the left corner.
"""

from __future__ import annotations

# Lips: four nested rings, from the border of the red to the line where the lips meet; each an upper and a lower half.
LIP_RINGS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291), (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)),
    ((76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306), (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306)),
    ((62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292), (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292)),
    ((78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308), (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)),
)
# Eyes: the lid margins, from the outer corner over the upper lid to the inner corner, and back over the lower lid.
LEFT_EYE = ((263, 466, 388, 387, 386, 385, 384, 398, 362), (263, 249, 390, 373, 374, 380, 381, 382, 362))
RIGHT_EYE = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 144, 145, 153, 154, 155, 133))
LEFT_IRIS = (473, 474, 475, 476, 477)  # centre first
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
# Points that the shapes hardly move: forehead, temples, root and bridge of the nose, corners of the eyes.
RIGID = (10, 67, 103, 109, 54, 21, 338, 297, 332, 284, 251, 127, 356, 168, 6, 197, 195, 33, 133, 263, 362)
CHIN = (18, 200, 199, 175, 152, 148, 176, 377, 400, 83, 313, 182, 406, 149, 378)

UPPER_INNER_LIP, LOWER_INNER_LIP = 13, 14
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 61, 291
NOSE_TIP, CHIN_TIP = 1, 152
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263

# Every point that a label file stores: lips, eyes, brows, nose, chin, cheeks and the face's outline.
# fmt: off
_OTHERS = (
    1, 2, 4, 5, 6, 10, 18, 19, 21, 36, 48, 50, 54, 58, 64, 67, 83, 93, 94, 97, 98, 101, 103, 109, 127, 132, 136,
    147, 148, 149, 150, 152, 162, 168, 172, 175, 176, 182, 187, 195, 197, 199, 200, 205, 234, 251, 266, 278, 280,
    284, 288, 294, 297, 313, 323, 326, 327, 330, 332, 338, 356, 361, 365, 376, 377, 378, 379, 389, 397, 400, 406,
    411, 425, 454,
)
# fmt: on
_LIPS = tuple(point for ring in LIP_RINGS for half in ring for point in half)
_EYES = tuple(point for eye in (LEFT_EYE, RIGHT_EYE) for half in eye for point in half)
LANDMARKS: tuple[int, ...] = tuple(sorted({*_LIPS, *_EYES, *LEFT_IRIS, *RIGHT_IRIS, *LEFT_BROW, *RIGHT_BROW, *_OTHERS}))
LIPS: tuple[int, ...] = tuple(sorted(set(_LIPS)))
