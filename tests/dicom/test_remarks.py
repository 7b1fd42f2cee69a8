"""What pydicom remarks is kept for one notice, without anybody's values."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from pydicom.misc import warn_and_log

from sightx_cli.data.readers import decode_image
from sightx_cli.dicom.remarks import hearing_remarks, shorten_remark


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Invalid value for VR UI: '1.2.03'. Please see <x>", "Invalid value for VR UI: …. Please see <x>"),
        ("The length (70) exceeds the maximum of 64", "The length (…) exceeds the maximum of …"),
        ("The (0028,0004) 'Photometric' is odd\n  second line", "The (0028,0004) … is odd"),
        ("", "something"),
    ],
)
def test_a_remark_keeps_its_sense_and_loses_its_values(said: str, kept: str) -> None:
    assert shorten_remark(said) == kept


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_each_thread_hears_its_own() -> None:
    def hear(number: int) -> list[str]:
        with hearing_remarks() as heard:
            warn_and_log(f"file {'x' * number}")
        warn_and_log("not within")
        return heard

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(hear, range(1, 41))) == [[f"file {'x' * number}"] for number in range(1, 41)]


def test_a_fault_that_was_got_over_is_a_remark_of_the_file() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = decode_image(Path(str(get_testdata_file("SC_rgb_jpeg.dcm", download=False)))).found
    (remark,) = found.remarks
    assert remark.kind == "dicom-faults"
    assert "found implicit VR" in remark.text


@pytest.mark.parametrize("is_settled", [True, False])
def test_the_command_shows_no_warning_of_pydicom_and_a_users_own_process_keeps_its_filters(is_settled: bool) -> None:
    code = "import sys\nfrom sightx_cli.startup.process import settle_process\n" + "settle_process()\n" * is_settled
    code += "from sightx_cli.data.readers import decode_image\nprint(len(decode_image(sys.argv[1]).found.remarks))"
    command = [sys.executable, "-c", code, str(get_testdata_file("SC_rgb_jpeg.dcm", download=False))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert ("UserWarning" in done.stderr) is not is_settled
