"""What can be wrong with a DICOM file, in words that go on from its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sightx_cli.dicom.remarks import shorten_remark
from sightx_cli.dicom.vocabulary import INSTALL_HINT
from sightx_cli.errors import DataError

TRUNCATED = "is truncated: the file ends before the image does"


class DicomError(DataError):
    """A DICOM file cannot be read as an image; `reason` says why: "is a DICOM structured report, no image"."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.reason = reason


@contextmanager
def explaining() -> Iterator[None]:
    """Turn what pydicom and its decoders raise into `DicomError`."""
    try:
        yield
    except DataError:
        raise
    except ImportError as error:
        why = "is not installed" if error.name == "pydicom" else f"cannot be loaded ({error})"
        raise DicomError(f"is a DICOM file, and the reader of DICOM {why}", INSTALL_HINT) from error
    except OSError as error:
        raise DicomError(f"cannot be read: {error.strerror}" if error.strerror else _describe_damage(error)) from error
    except MemoryError as error:
        raise DicomError("needs more memory than is free: it may be sound") from error
    except Exception as error:  # which one pydicom raises for a flipped bit depends on the bit
        raise DicomError(_describe_damage(error)) from error


def explain_missing(compression: str) -> DicomError:
    """Return the fault of a file whose decoder is not installed."""
    reason = f"is a DICOM file compressed as {compression}, and the decoder of that is not installed"
    return DicomError(reason, INSTALL_HINT)


def _describe_damage(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return f"is a damaged DICOM file: {shorten_remark(lines[-1]):.200}"
