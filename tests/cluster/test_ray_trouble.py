"""What happens on Ray when workers die, the work is stopped, or images cannot be read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from sightx_cli import predict
from sightx_cli.errors import DataError, UsageError
from sightx_cli.progress import Recorder, Silent

if TYPE_CHECKING:
    from sightx_cli.cluster.ray_cluster import Cluster
    from sightx_cli.results.fit import FitResult

pytestmark = pytest.mark.slow


def list_workers() -> list[int]:
    """The processes of Ray's workers that map partitions, below this one."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    below = {os.getpid()}
    while more := {int(pid) for pid, above, _ in rows if int(above) in below} - below:
        below |= more
    return [int(pid) for pid, _, words in rows if int(pid) in below and "MapWorker" in words]


class Killing(Silent):
    """Kills a worker when the first partition is back."""

    def __init__(self) -> None:
        self.killed = 0

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        if units and not self.killed:
            self.killed = list_workers()[0]
            os.kill(self.killed, signal.SIGKILL)


class Stopping(Silent):
    """Presses Ctrl-C when the third partition is back."""

    done = 0

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        self.done += units > 0
        if self.done == 3:
            raise KeyboardInterrupt


def test_a_killed_worker_costs_no_row_and_doubles_none(
    cluster: Cluster, digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images, killing = copy_digits(400), Killing()
    predict(images, model=digits_run.run, output=Path("here.csv"))
    predict(images, model=digits_run.run, output=Path("there.csv"), on="ray", listener=killing)
    assert killing.killed
    assert Path("there.csv").read_bytes() == Path("here.csv").read_bytes()


def test_what_was_done_before_ctrl_c_is_not_done_again(
    cluster: Cluster, digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images = copy_digits(100)
    with pytest.raises(KeyboardInterrupt):
        predict(images, model=digits_run.run, output=Path("there"), on="ray", listener=Stopping())
    kept = {one: one.stat().st_mtime_ns for one in Path("there").rglob("*.parquet")}
    assert kept
    assert not Path("there/manifest.json").exists()
    with pytest.raises(UsageError, match=r"an interrupted prediction is there, .* of 101 rows"):
        predict(images, model=digits_run.run, output=Path("there"), on="ray")
    result = predict(images, model=digits_run.run, output=Path("there"), on="ray", resume=True)
    assert {one: one.stat().st_mtime_ns for one in kept} == kept
    rows = pd.concat(map(pd.read_parquet, sorted(Path("there").rglob("*.parquet"))))
    assert rows["row"].tolist() == list(range(101))
    assert (result.images, result.unreadable, sum(result.counts.values())) == (101, 1, 100)
    whole = {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in Path("there").rglob("*.*")}
    heard = Recorder()
    again = predict(images, model=digits_run.run, output=Path("there"), on="ray", resume=True, listener=heard)
    assert {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in Path("there").rglob("*.*")} == whole
    assert (again.images, again.unreadable, again.counts) == (101, 1, result.counts)
    assert [notice.kind for notice in again.notices if notice.kind == "complete"] == ["complete"]
    (images / "000.png").unlink()
    with pytest.raises(UsageError, match="does not hold the answers for these images"):
        predict(images, model=digits_run.run, output=Path("there"), on="ray", resume=True)


def test_a_table_of_uris_counts_what_cannot_be_read(
    cluster: Cluster, digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images = copy_digits(3).absolute()
    names = [f"file://{images}/000.png", f"file://{images}/gone.png", f"file://{images}", f"{images}/001.png"]
    table = {"row": [4, 5, 6, 7], "image": [*names[:3], names[3]]}
    pd.DataFrame(table).to_parquet("list.parquet")
    result = predict("list.parquet", model=digits_run.run, output=Path("there"), on="ray")
    rows = pd.concat(map(pd.read_parquet, sorted(Path("there").rglob("*.parquet"))))
    assert rows["row"].tolist() == [0, 1, 2, 3]
    assert rows["row_given"].tolist() == [4, 5, 6, 7]
    assert (rows["error"] != "").tolist() == [False, True, True, False]
    assert result.unreadable == 2
    assert "does not exist" in rows["error"].tolist()[1]


def test_images_in_shards_are_read_by_workers(
    cluster: Cluster, digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    images = copy_digits(3)
    with tarfile.open("new.tar", "w") as archive:
        for file in sorted(images.iterdir()):
            archive.add(file, file.name)
    table = {"image": [{"bytes": file.read_bytes(), "path": file.name} for file in sorted(images.glob("0*.png"))]}
    pd.DataFrame(table).to_parquet("new.parquet")
    for name in ("new.tar", "new.parquet"):
        predict(name, model=digits_run.run, output=Path(f"{name}.here.csv"))
        predict(name, model=digits_run.run, output=Path(f"{name}.there.csv"), on="ray")
        assert Path(f"{name}.there.csv").read_bytes() == Path(f"{name}.here.csv").read_bytes()


def test_where_no_image_can_be_read_it_is_an_error(
    cluster: Cluster, digits_run: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.png").write_text("text")
    with pytest.raises(DataError, match="none of the 1 images could be read"):
        predict("bad.png", model=digits_run.run, on="ray")


def test_an_image_that_kills_every_worker_costs_its_partition_alone(
    cluster: Cluster, digits_run: FitResult, copy_digits: Callable[[int], Path]
) -> None:
    from sightx_cli import runs
    from sightx_cli.cluster.row_worker import RowWorker
    from sightx_cli.data.layout import FOUND_OUT
    from sightx_cli.steps.cluster_prediction import ClusterWish, predict_on_cluster

    class Dying(RowWorker):
        def predict(self, number: int) -> tuple[bytes, bytes]:
            if number == 1:
                os.kill(os.getpid(), 9)
            return super().predict(number)

    heard = Recorder()
    wish = ClusterWish(runs.find_run(digits_run.run), Path("there.csv"))
    result = predict_on_cluster([copy_digits(20)], FOUND_OUT, wish, heard, Dying)
    rows = pd.read_csv("there.csv", keep_default_na=False)
    assert rows["error"].str.contains("each worker").tolist() == [4 <= place < 8 for place in range(21)]
    assert result.unreadable == 5
    assert "rows 5 to 8 have an error" in " ".join(heard.warnings)


class Losing(Silent):
    """Takes a machine away when the second partition is back."""

    def __init__(self, lose: Callable[[], object]) -> None:
        self.lose, self.done = lose, 0

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        self.done += units > 0
        if self.done == 2:
            self.lose()


def test_a_running_cluster_is_joined_by_its_address_and_may_lose_a_machine(
    digits_run: FitResult, copy_digits: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    images = copy_digits(200)
    predict(images, model=digits_run.run, output=Path("here.csv"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    several = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = several.add_node(num_cpus=1)
        losing = Losing(lambda: several.remove_node(second, allow_graceful=False))
        how = {"on": "ray", "address": several.address, "listener": losing}
        predict(images, model=digits_run.run, output=Path("there.csv"), **how)
    finally:
        several.shutdown()
    assert losing.done > 2
    assert Path("there.csv").read_bytes() == Path("here.csv").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_ray_with_the_command_and_says_how_to_go_on(
    digits_run: FitResult, copy_digits: Callable[[int], Path], number: signal.Signals
) -> None:
    images = copy_digits(600)
    words = [sys.executable, "-m", "sightx_cli", "predict", str(images), "--model", str(digits_run.run), "--on", "ray"]
    with tempfile.TemporaryDirectory(prefix="ray") as own:  # others' Rays lie elsewhere; its sockets need a short path
        environment = {**os.environ, "TMPDIR": own}
        command = [*words, "-o", "there"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            until = time.monotonic() + 300
            while not list(Path("there").rglob("*.parquet")) and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            assert list(Path(own).glob("sightx-ray-*"))  # it is there that nothing may stay
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
        assert process.returncode == 128 + number
        assert "--resume" in said
        assert "--on ray" in said
        assert "Traceback" not in said
        assert not list(Path(own).glob("sightx-ray-*"))
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert not [line for line in listed.splitlines() if own in line]
