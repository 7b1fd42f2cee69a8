"""The augmentation profiles: which changes preserve an image's meaning, by kind of image.

The bounds of `natural` are those of fastai's `aug_transforms` (rotation 10°, zoom 1.1, lighting 0.2:
https://docs.fast.ai/vision.augment.html#aug_transforms). The others are narrower if a change could alter the
finding, and wider if the image has no natural upright orientation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace


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


@dataclass(frozen=True)
class Change:
    """One kind of change that a profile may make to an image, by its name in `image.off`, and the words for it."""

    name: str
    changed: str
    """What images are after it."""
    off: str
    """How it is said that it is not made."""
    without: Mapping[str, bool | float]
    """The values of a profile that does not make it."""


CHANGES: dict[str, Change] = {
    change.name: change
    for change in (
        Change("mirroring", "mirrored images", "mirroring is off", {"horizontal_flip": False}),
        Change("upside-down", "images turned upside down", "turning upside down is off", {"vertical_flip": False}),
        Change("quarter-turns", "images turned by quarters", "quarter turns are off", {"quarter_turns": False}),
        Change("rotation", "rotated images", "rotation is off", {"rotation_degrees": 0.0}),
        Change("zoom", "enlarged images", "enlarging is off", {"zoom": 1.0}),
        Change("light", "brighter and darker images", "changes of light are off", {"brightness": 0.0, "contrast": 0.0}),
    )
}


def name_changes(profile: Profile) -> tuple[str, ...]:
    """Name the changes that a profile makes."""
    return tuple(name for name in CHANGES if leave_out(profile, [name]) != profile)


def leave_out(profile: Profile, off: Collection[str]) -> Profile:
    """Return the profile without some of its changes, by their names."""
    for name in off:
        profile = replace(profile, **CHANGES[name].without)  # type: ignore[arg-type]  # each by its field
    return profile
