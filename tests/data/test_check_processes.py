"""Files checked in processes: the facts and the plain views that threads give, and nothing left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sightx_cli.data import check_processes
from sightx_cli.data.check_processes import CHUNK_FILES, check_in_processes, checking_apart
from sightx_cli.data.checks import check_files
from sightx_cli.data.contents import FileFacts, measure_file, measure_files
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.read_ahead import ENDS_READER
from sightx_cli.data.reader_processes import ReaderEndedError, ReaderPool, ReaderThreads
from sightx_cli.data.readers import AS_IS, Found, Reading, check_image
from sightx_cli.dicom import pseudonyms
from sightx_cli.progress import Silent

SIZE_PX = 16


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    pool = ReaderPool(2)
    yield pool
    pool.close()


@pytest.fixture
def files(tmp_path: Path, write_photo: Callable[..., Path]) -> list[str]:
    """Seventy photographs, of which two are the same and three are none."""
    files = [str(write_photo(tmp_path / f"{n:02}.jpg", n % 69)) for n in range(70)]
    Path(files[5]).write_text("no image")
    Path(files[40]).write_bytes(Path(files[41]).read_bytes()[:300])
    Path(files[66]).unlink()
    return files


def check(files: list[str], pixels: PlainViews | None, readers: ReaderPool | ReaderThreads | None) -> list[FileFacts]:
    def use(path: str, digest: str, data: bytes | None) -> Found:
        found = pixels.decode(path, digest, data) if pixels is not None else None
        return check_image(path, data, AS_IS) if found is None else found

    if readers is None:
        return list(measure_files(files, use))
    apart = measure_files(files, use, measure_parts=lambda paths: check_in_processes(paths, AS_IS, pixels, readers))
    return list(apart)


@pytest.mark.parametrize("budget_views", [0, 20, 100])
def test_facts_and_views_are_those_of_threads(files: list[str], pool: ReaderPool, budget_views: int) -> None:
    known = [measure_file(files[at], lambda *_: Found()).digest for at in (1, 2)]
    apart, here = (PlainViews(SIZE_PX, "crop", known, budget_views * 3 * SIZE_PX**2) for _ in range(2))
    assert check(files, apart, pool) == check(files, here, None)
    assert len(apart) <= budget_views
    assert len(apart) == len(here) or budget_views == 20  # where there is room for few, which are kept is by chance
    for digest in (facts.digest for facts in check(files, None, pool)):
        view, expected = apart.pop(digest), here.pop(digest)
        if view is not None and expected is not None:
            assert np.array_equal(view, expected)
        assert digest not in known or view is None


def test_a_file_that_ends_its_reader_is_said_and_no_other_left_out(files: list[str]) -> None:
    class Ending(ReaderThreads):
        """Its readers end at one file, as a decoder does that crashes."""

        def submit(self, function, *arguments):
            def run():
                if files[7] in arguments[0]:
                    raise ReaderEndedError
                return function(*arguments)

            return self._threads.submit(run)

    facts = check(files, PlainViews(SIZE_PX, "crop"), Ending(2))
    assert [at for at, one in enumerate(facts) if one.error] == [5, 7, 40, 66]
    assert facts[7].error == ENDS_READER


def test_a_reading_is_taken_there_too(files: list[str], pool: ReaderPool) -> None:
    [(_, facts)] = check_in_processes(files[:1], Reading(page=3), None, pool)
    assert "page" in facts[0].error


def test_few_files_are_checked_in_threads() -> None:
    with checking_apart(1_999, AS_IS, None) as measure_parts:
        assert measure_parts is None


def test_a_patient_is_the_same_one_in_all_files_where_no_key_can_be_kept(
    tmp_path: Path, write_dicom: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings"
    settings.write_text("a file, where the key's folder would be")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settings))
    pseudonyms._load_key.cache_clear()
    scan = np.arange(64, dtype=np.uint16).reshape(8, 8)
    files = [str(write_dicom(tmp_path / f"{n}.dcm", scan + n, PatientID=str(n % 2))) for n in range(CHUNK_FILES + 4)]
    with closing(ReaderPool(2)) as pool:
        facts = check(files, None, pool)
    patients = [dict(one.found.tags)["PatientID"] for one in facts]
    pseudonyms._load_key.cache_clear()
    assert len(set(patients)) == 2


def test_a_check_is_the_same_where_there_are_many_processors(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"image": files, "path": files, "label": "a", "split": ""})
    here, apart = PlainViews(SIZE_PX, "pad"), PlainViews(SIZE_PX, "pad")
    expected = check_files(frame, Silent(), pixels=here)
    monkeypatch.setattr(check_processes, "LEAST_CHECKED", 70)
    monkeypatch.setattr(check_processes, "choose_processes", lambda _: 2)
    found = check_files(frame, Silent(), pixels=apart)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert (list(found.headers), list(found.found)) == (list(expected.headers), list(expected.found))
    assert found.unreadable == expected.unreadable
    assert len(apart) == len(here) == 66
