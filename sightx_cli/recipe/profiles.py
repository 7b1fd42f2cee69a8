"""The augmentation profiles: which changes preserve an image's meaning, by kind of image.

The bounds of `natural` are those of fastai's `aug_transforms` (rotation 10°, zoom 1.1, lighting 0.2:
https://docs.fast.ai/vision.augment.html#aug_transforms). The others are narrower if a change could alter the
finding, and wider if the image has no natural upright orientation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """What one augmented view may do to an image.

    `rotation_degrees`: an angle is drawn from -d to +d. `zoom`: a factor is drawn from 1 to this, 1 for none.
    `brightness`, `contrast`: a factor is drawn from 1-b to 1+b. `quarter_turns`: by 0, 90, 180 or 270 degrees.
    """

    name: str
    horizontal_flip: bool
    vertical_flip: bool
    quarter_turns: bool
    rotation_degrees: float
    zoom: float
    brightness: float
    contrast: float
    meaning: str

    @property
    def dihedral(self) -> bool:
        """Whether all eight symmetries of the square are allowed."""
        return self.horizontal_flip and self.vertical_flip and self.quarter_turns


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        #       name       flips: horizontal, vertical; quarter turns; rotation; zoom; brightness; contrast
        Profile("natural", True, False, False, 10.0, 1.10, 0.20, 0.20,
                "photographs of objects: upright, may be mirrored"),
        Profile("medical", True, False, False, 10.0, 1.05, 0.10, 0.10,
                "scans and X-rays: upright, and grey values carry meaning"),
        Profile("retina", True, True, True, 180.0, 1.05, 0.10, 0.10,
                "fundus photographs: a round field, any orientation"),
        Profile("skin", True, True, True, 180.0, 1.10, 0.10, 0.10,
                "dermoscopy: any orientation, and colour carries meaning"),
        Profile("surface", True, True, True, 10.0, 1.10, 0.20, 0.20,
                "parts and materials: any orientation, and light varies from camera to camera"),
        Profile("aerial", True, True, True, 10.0, 1.10, 0.20, 0.20,
                "satellite and drone images: any orientation, and light varies with the time of day"),
        Profile("none", False, False, False, 0.0, 1.0, 0.0, 0.0,
                "no change at all: every view is the plain one"),
    )
}  # fmt: skip
