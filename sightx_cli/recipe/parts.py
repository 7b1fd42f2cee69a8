"""The parts of a recipe: the schema of each of its tables.

Types are strict, unknown keys are forbidden, and each field says its meaning, its unit and, in `Allowed`, what an error
shows the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from sightx_cli.metrics.registry import CHOOSING
from sightx_cli.recipe.decision import Verdict
from sightx_cli.recipe.names import join_choices
from sightx_cli.recipe.profiles import CHANGES, PROFILES, Profile, leave_out
from sightx_cli.recipe.rates import ALLOWED_RATE, Rate, read_rate
from sightx_cli.recipe.values import (
    ALLOWED_BAND,
    ALLOWED_BANDS,
    ALLOWED_RANGE,
    ALLOWED_TAPS,
    ALLOWED_TRAIN,
    FRACTION,
    WHOLE_SET,
    Allowed,
    read_band,
    read_bands,
    read_range,
    read_taps,
    read_train,
)

if TYPE_CHECKING:
    Metric = str
    ChangeName = str
else:
    Metric = Literal[CHOOSING]
    ChangeName = Literal[tuple(CHANGES)]


def as_tuple(value: object) -> object:
    """Accept a TOML list for a tuple field."""
    return tuple(value) if isinstance(value, list) else value


def _known_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError(join_choices(tuple(PROFILES)))
    return name


Text = Annotated[str, Field(pattern=r"\S"), Allowed("text that is not empty")]
ALPHA = "a number from 0 to 8"
MIXING = "where layers train, images are blended in pairs, their labels too: the alpha of the shares; 0 for none"
CUTTING = "where layers train, a part of another image is put into each: the alpha of its share; 0 for none"


class Part(BaseModel):
    """Base of every part of a recipe: immutable, with strict types and no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class When(Part):
    """The data the recipe is meant for."""

    images: Annotated[
        tuple[int, int | None],
        PlainValidator(read_band),
        Field(description="images for training, half-open; None for no upper end"),
        Allowed(ALLOWED_BAND),
    ]
    shift: Annotated[Verdict, Field(description="how the images compare with ImageNet's")]


class Head(Part):
    """The new classifier on the backbone."""

    pool: Annotated[Literal["avg", "flatten"], Field(description="how a feature map becomes a vector")] = "avg"
    taps: Annotated[
        str,
        PlainValidator(read_taps),
        Field(description="the stages whose pooled features the head reads (multi-scale; Evci et al. 2022, Head2Toe)"),
        Allowed(ALLOWED_TAPS),
    ] = "last"
    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65_536), Allowed("a whole number from 1 to 65,536")], ...],
        BeforeValidator(as_tuple),
        Field(description="widths of the hidden layers; none for a linear head"),
        Allowed("a list of whole numbers from 1 to 65,536, or [] for a linear head"),
    ] = ()
    dropout: Annotated[float, Field(ge=0, lt=1, description="share of the inputs dropped in training"), FRACTION] = 0.2


class Network(Part):
    """The network: a timm backbone, where its weights come from, and its head."""

    backbone: Annotated[
        Text, Field(description="any timm name, or several joined by + to read the images side by side")
    ]
    weights: Annotated[
        Literal["imagenet", "scratch", "file"],
        Field(description="what training starts from; --weights FILE overrides it, and makes it `file`"),
    ] = "imagenet"
    grey: Annotated[
        Literal["mean", "sum"] | None,
        Field(
            description="one input channel, the stem's RGB filters averaged or summed; a colour image is made "
            "grey by luminance (0.299 R + 0.587 G + 0.114 B). If omitted: three channels"
        ),
        Allowed('"mean" or "sum" (of the RGB filters), or omit the key for three channels'),
    ] = None
    head: Head = Head()


class ImageInput(Part):
    """How an image is turned into the network's input."""

    size_px: Annotated[
        int, Field(ge=32, le=2048, description="side of the square input"), Allowed("a whole number from 32 to 2,048")
    ]
    fit: Annotated[
        Literal["crop", "pad", "squash"],
        Field(description="crop the centre, pad to a square (nothing is cut off), or squash into a square"),
    ]
    profile: Annotated[
        str,
        Field(description="which augmentations preserve the meaning of these images"),
        BeforeValidator(lambda value: _known_profile(value) if isinstance(value, str) else value),
        Allowed(join_choices(tuple(PROFILES))),
    ]
    off: Annotated[
        tuple[Annotated[ChangeName, Allowed(join_choices(tuple(CHANGES)))], ...] | None,
        BeforeValidator(as_tuple),
        Field(
            description="the profile's changes that are not made, since the labels depend on them; if omitted, it is "
            "measured on the training images"
        ),
        Allowed(f"a list of {join_choices(tuple(CHANGES))}, [] for none, or omit the key to let it be measured"),
    ] = None
    page: Annotated[
        int | None,
        Field(ge=1, description="the page or frame that is read of files with several; if omitted: the first"),
        Allowed("a whole number from 1, or omit the key for the first page"),
    ] = None
    bands: Annotated[
        tuple[int, ...] | None,
        PlainValidator(lambda value: None if value is None else read_bands(value)),
        Field(description="the bands that become red, green and blue (one: grey); if omitted: as the file says"),
        Allowed(f"{ALLOWED_BANDS}, or omit the key"),
    ] = None
    range: Annotated[
        str | tuple[float, float],
        PlainValidator(read_range),
        Field(description="which values of images with more than 8 bits become black and white"),
        Allowed(ALLOWED_RANGE),
    ] = WHOLE_SET

    def build_profile(self) -> Profile:
        """Return the changes that are made: the profile's, without what is off."""
        return leave_out(PROFILES[self.profile], self.off or ())


class Joining(Part):
    """A part that joins a stage's training after some epochs; what trained before continues."""

    after: Annotated[
        int,
        Field(ge=1, description="epochs of the stage before this part joins"),
        Allowed("a whole number from 1, below the stage's epochs"),
    ]
    train: Annotated[
        str | tuple[str, ...],
        PlainValidator(read_train),
        Field(description="which part of the network trains from then on, in addition"),
        Allowed(ALLOWED_TRAIN),
    ]
    rate: Annotated[
        Rate,
        PlainValidator(read_rate),
        Field(description="the peak learning rate of what joins; its schedule covers the remaining epochs"),
        Allowed("a number, [low, high], or a rate for each group that joins"),
    ]


class TrainingStage(Part):
    """One stage of training: what trains, for how long, at which rates."""

    train: Annotated[
        str | tuple[str, ...],
        PlainValidator(read_train),
        Field(description="which part of the network trains; the rest is frozen, BatchNorm included"),
        Allowed(ALLOWED_TRAIN),
    ]
    epochs: Annotated[
        int,
        Field(ge=1, le=10_000, description="passes over the training part"),
        Allowed("a whole number from 1 to 10,000"),
    ]
    rate: Annotated[
        Rate,
        PlainValidator(read_rate),
        Field(description="the peak learning rate, or one for each trained group"),
        Allowed(ALLOWED_RATE),
    ]
    name: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="a name for --set and --stage"),
        Allowed("a letter, then letters, digits, - and _"),
    ] = None

    join: Annotated[
        tuple[Joining, ...],
        BeforeValidator(as_tuple),
        Field(description="what joins within the stage, one after the other (Howard & Ruder 2018: gradual unfreezing)"),
        Allowed("a list of { after = …, train = …, rate = … }"),
    ] = ()

    @property
    def title(self) -> str:
        """The name or, without one, what trains."""
        if self.name is not None:
            return self.name
        return self.train if isinstance(self.train, str) else ", ".join(self.train)


class Training(Part):
    """Settings shared by all stages."""

    metric: Annotated[Metric, Field(description="the validation metric that selects the best epoch")]
    views: Annotated[
        int,
        Field(ge=1, le=64, description="views of each image on a frozen prefix: as it is, then augmented"),
        Allowed("a whole number from 1 to 64"),
    ] = 1
    class_weights: Annotated[
        Literal["balanced", "none"], Field(description="whether rare classes get more weight in the loss")
    ] = "none"
    optimizer: Annotated[
        Literal["adamw", "adam", "sgd"],
        Field(description="adamw decouples weight decay from the gradient, adam does not; sgd has no momentum"),
    ] = "adamw"
    weight_decay: Annotated[float, Field(ge=0, le=1), Allowed("a number from 0 to 1")] = 0.01
    clip: Annotated[
        float | None,
        Field(gt=0, description="largest gradient norm; omit for no clipping"),
        Allowed("a number above 0, or omit the key for no clipping"),
    ] = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1), FRACTION] = 0.0
    soft_grades: Annotated[
        bool,
        Field(
            description="whether a grade's neighbours share an eighth of its target, if three or more classes are "
            "ordered grades (Díaz & Marathe 2019)"
        ),
        Allowed("true or false"),
    ] = True
    batch: Annotated[
        int, Field(ge=1, le=4096, description="images per step"), Allowed("a whole number from 1 to 4,096")
    ] = 32
    early_stop: Annotated[
        int | None,
        Field(ge=1, description="epochs without improvement after which a stage ends; omit for never"),
        Allowed("a whole number from 1, or omit the key to train every epoch"),
    ] = None
    weight_average: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="where layers of the network train, epochs are judged, and kept, by a running average of the "
            "weights, of which each step keeps this share; 0 for none",
        ),
        FRACTION,
    ] = 0.0
    mixup: Annotated[float, Field(ge=0, le=8, description=f"{MIXING} (Zhang et al. 2018)"), Allowed(ALPHA)] = 0.0
    cutmix: Annotated[float, Field(ge=0, le=8, description=f"{CUTTING} (Yun et al. 2019)"), Allowed(ALPHA)] = 0.0
    schedule: Annotated[
        Literal["one-cycle", "cosine", "flat"], Field(description="how the rate changes within a stage")
    ] = "one-cycle"
    warmup_epochs: Annotated[
        int,
        Field(ge=0, description="epochs of warm-up, with cosine"),
        Allowed("a whole number from 0"),
    ] = 0
