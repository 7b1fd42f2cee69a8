"""The process that `gdcm_process` starts: reads frames from its standard input, writes their values to its output."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from typing import Any

EXTENDED = "1.2.840.10008.1.2.4.51"


def serve() -> None:
    """Answer one frame after the other, until the input ends."""
    sent, answers = sys.stdin.buffer, sys.stdout.buffer
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and whoever asks may go on after that
    while line := sent.readline():
        asked = json.loads(line)
        frame = sent.read(asked["bytes"])
        try:
            values, photometric = decode(frame, asked["transfer_syntax"], asked["options"])
        except Exception as error:
            words = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
            answers.write(json.dumps({"error": words}).encode() + b"\n")
        else:
            pixels = values.tobytes()
            said = {"dtype": values.dtype.str, "shape": values.shape, "photometric": photometric, "bytes": len(pixels)}
            answers.write(json.dumps(said).encode() + b"\n" + pixels)
        answers.flush()


def decode(frame: bytes, transfer_syntax: str, options: dict[str, Any]) -> tuple[Any, str]:
    """Decode a frame as pydicom does with GDCM; and 12-bit JPEG, which GDCM decodes though pydicom does not ask it."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    if transfer_syntax == EXTENDED:
        return decode_extended(frame, options), str(options["photometric_interpretation"])
    decoder = get_decoder(UID(transfer_syntax))
    values, facts = decoder.as_array(encapsulate([frame]), index=0, decoding_plugin="gdcm", **options)
    return values, str(facts["photometric_interpretation"])


def decode_extended(frame: bytes, options: dict[str, Any]) -> Any:
    """Decode a frame of grey JPEG with 12 bits, (H, W) uint16. Raises ValueError for colour, or where GDCM cannot."""
    import gdcm
    import numpy as np

    rows, columns = int(options["rows"]), int(options["columns"])
    if int(options["samples_per_pixel"]) != 1:
        raise ValueError("JPEG colour of 12 bits is not read")
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    packed, unpacked = (gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010)) for _ in range(2))
    packed.SetValue(fragments.__ref__())
    codec = gdcm.JPEGCodec()
    codec.SetNumberOfDimensions(2)
    codec.SetDimensions((columns, rows, 1))
    codec.SetPlanarConfiguration(0)
    kind = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    codec.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    depth = gdcm.PixelFormat(1, 16, 12, 11, 0)
    depth.SetScalarType(gdcm.PixelFormat.UINT12)
    codec.SetPixelFormat(depth)
    if not codec.Decode(packed, unpacked):
        raise ValueError("its JPEG data cannot be decoded")
    pixels = unpacked.GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")  # GDCM returns bytes as text
    return np.frombuffer(pixels, "<u2").reshape(rows, columns)


if __name__ == "__main__":
    serve()
