"""One export as a folder: which formats may be asked for, where they go, what is written, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sightx_cli import runs
from sightx_cli.bundle.export_check import LEAST_AGREEMENT, ReferenceAnswers, find_disagreement
from sightx_cli.bundle.export_code import write_code
from sightx_cli.bundle.export_contract import build_contract, digest_files
from sightx_cli.bundle.exporter import PRECISIONS, Exporter, ExportPrecision, FinishedModel, LoadedExport, ModelFile
from sightx_cli.bundle.exporters import EXPORTERS
from sightx_cli.bundle.int8_loss import LEAST_INT8_AGREEMENT
from sightx_cli.bundle.parity import Parity
from sightx_cli.errors import RunError, UsageError
from sightx_cli.filesystem import check_place
from sightx_cli.progress import Listener, Notice
from sightx_cli.results.export import ALL, FileParity, FormatExport
from sightx_cli.version import VERSION

RECORD, CONTRACT = runs.EXPORT_RECORD, "contract.json"
DIFFERS = "export again with the newest version of its packages, or choose another --format"
LOSES = "leave --precision out"
INT8 = "int8"
"""The precision that has an extra of its name beside the format's."""


def check_precision(precision: str) -> ExportPrecision:
    """Return a precision that was asked for; raises UsageError for one that there is not."""
    found = next((one for one in PRECISIONS if one == precision), None)
    if found is None:
        raise UsageError(f"--precision {precision}: allowed are {', '.join(PRECISIONS)}", "leave --precision out")
    return found


def choose_exporters(format: str, precision: ExportPrecision, listener: Listener) -> list[Exporter]:
    """Return the exporters of a format, or of all that take a precision; says which of all do not.

    Raises UsageError for a format that there is not, or that does not take the precision.
    """
    if format not in (*EXPORTERS, ALL):
        raise UsageError(f"--format {format}: allowed are {', '.join(EXPORTERS)} and {ALL}", "--format onnx")
    asked = list(EXPORTERS.values()) if format == ALL else [EXPORTERS[format]]
    able = [one for one in asked if precision in one.precisions]
    if not able:
        table = "; ".join(f"{one.name}: {', '.join(one.precisions)}" for one in EXPORTERS.values())
        raise UsageError(f"--precision {precision}: {format} does not take it", f"what each format takes: {table}")
    left = [one.name for one in asked if one not in able]
    if left:
        text = f"left out, since they do not take {precision}: {', '.join(left)}"
        listener.notice(Notice("export-formats", text, len(left)))
    return able


def check_exporters(exporters: Sequence[Exporter], precision: ExportPrecision) -> None:
    """Raise UsageError where a package that an exporter needs is not installed, with the line that installs it."""
    for one in exporters:
        missing = [package for package in one.packages[precision] if find_spec(package) is None]
        if missing:
            what = f"the package{'s' * (len(missing) > 1)} {', '.join(missing)}"
            extras = f"{one.extra},{INT8}" if precision == INT8 else one.extra
            raise UsageError(
                f"--format {one.name} needs {what}, not installed here", f'type pip install "sightx-cli[{extras}]"'
            )


def choose_export_folder(within: Path, format: str, precision: str, overwrite: bool) -> Path:
    """Return the folder of a format; raises UsageError where it is taken and may not be replaced, or cannot be made."""
    name = format if precision == PRECISIONS[0] else f"{format}-{precision}"
    folder = within / name
    check_place("-o", folder)
    if folder.exists() and not overwrite:
        raise UsageError(f"{folder}: exists already", "add --overwrite to replace it, or name another folder with -o")
    is_ours = folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir()))
    if folder.exists() and not is_ours:
        raise UsageError(f"{folder}: is not an export by SightX, so it is not replaced", "name another folder with -o")
    return folder


@dataclass(frozen=True)
class WrittenExport:
    """An export that agrees, in the folder that it was written in."""

    export: FormatExport

    def move(self, folder: Path) -> FormatExport:
        """Return what was written, as it lies in the folder that the one in the making became."""
        files = tuple(folder / file.relative_to(self.export.folder) for file in self.export.files)
        return replace(self.export, folder=folder, files=files)


def write_export(
    exporter: Exporter,
    model: FinishedModel,
    reference: ReferenceAnswers,
    folder: Path,
    precision: ExportPrecision,
    listener: Listener,
) -> WrittenExport:
    """Write a model in a format, open it in its own runtime and hold it against the model; describe it beside.

    Raises RunError where the network cannot be written so, and where the export does not agree.
    """
    why_not = exporter.write(model, folder, precision)
    if why_not:
        raise RunError(f"--format {exporter.name}: {why_not}", "choose another --format")
    loaded = exporter.load(model, folder, precision)
    found = reference.ask_views(loaded)
    parity, distance = reference.measure_views(found), reference.measure_distances(loaded)
    disagreement = find_disagreement(reference, found, parity, precision, distance)
    if disagreement:
        is_exact = precision == PRECISIONS[0]
        kept_in = "" if is_exact else f" in {precision}"
        raise RunError(f"--format {exporter.name}{kept_in}: refused, {disagreement}", DIFFERS if is_exact else LOSES)
    any_size = check_any_size(exporter, loaded, reference, folder, precision, listener)
    described = _describe(parity), None if any_size is None else _describe(any_size)
    models = _list_models(exporter, model, loaded, listener)
    runs.write_json(folder / CONTRACT, build_contract(model.facts, models, folder))
    if exporter.runner is not None:
        name = f"predict_{exporter.name}.py"
        (folder / name).write_text(write_code(exporter.runner, name, exporter.models[0].name), encoding="utf-8")
    digests = digest_files(folder)
    record = {
        "format": exporter.name,
        "precision": precision,
        "files": digests,
        "parity": described[0].to_json(),
        "any_size": None if described[1] is None else described[1].to_json(),
        "model": {"recipe": model.facts.recipe, "backbone": model.facts.backbone, "sha256": model.facts.files},
        "versions": {"sightx": VERSION, **{name: version(name) for name in exporter.packages[precision]}},
    }
    runs.write_json(folder / RECORD, record)
    files = tuple(folder / name for name in sorted((*digests, RECORD)))
    size = sum(file.stat().st_size for file in files)
    return WrittenExport(FormatExport(exporter.name, precision, folder, files, size, *described))


def _list_models(
    exporter: Exporter, model: FinishedModel, loaded: LoadedExport, listener: Listener
) -> Sequence[ModelFile]:
    """Return the model files as they are; says where they do not tell unfamiliar images, which the model can."""
    if loaded.measure_views is not None or model.facts.familiarity is None or not exporter.models[0].distance:
        return exporter.models
    text = f"{exporter.name}: these files do not tell which images are unfamiliar; without --precision they do"
    listener.notice(Notice("export-unfamiliar", text, 1, warns=True))
    return [replace(one, distance="") for one in exporter.models]


def check_any_size(
    exporter: Exporter,
    loaded: LoadedExport,
    reference: ReferenceAnswers,
    folder: Path,
    precision: ExportPrecision,
    listener: Listener,
) -> Parity | None:
    """Hold the file that takes any size against the model; one that gives other labels is removed, and that is said.

    It must not keep the file of plain views, which agrees, from being written. Returns None where there is none.
    """
    if loaded.answer_image is None:
        return None
    parity = reference.measure_images(loaded.answer_image)
    if parity.agreement >= (LEAST_INT8_AGREEMENT if precision == INT8 else LEAST_AGREEMENT):
        return parity
    for one in (one for one in exporter.models if one.takes == "any size"):
        for file in folder.glob(f"{Path(one.name).stem}.*"):
            file.unlink()
    text = (
        f"{exporter.name}: no file for images of any size is written: on whole images it gives {len(parity.changed):,} "
        f"of {parity.images:,} another label than this model (differences up to {parity.largest_difference:.2g})"
    )
    listener.notice(Notice("export-any-size", text, len(parity.changed), warns=True))
    return None


def _describe(parity: Parity) -> FileParity:
    return FileParity(parity.images, round(parity.largest_difference, 9), round(parity.agreement, 6))
