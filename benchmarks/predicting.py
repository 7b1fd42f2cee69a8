"""The parts that measure epochs and prediction: images per second, seconds, memory."""

from pathlib import Path
from typing import Any

from measuring import HEAD_ONLY, HERE, PYTHON, SIGHTX, Bench, Child, median_in_turn


def epoch_suffix(bench: Bench) -> dict[str, Any]:
    """One epoch of the last two stages and the head: on cached features, against fastai's after `freeze_to`."""
    return compare_epochs(bench, "last:2")


def epoch_whole(bench: Bench) -> dict[str, Any]:
    """One epoch with everything training, images read again in both."""
    return compare_epochs(bench, "all")


def compare_epochs(bench: Bench, train: str) -> dict[str, Any]:
    """Time epochs on the same chest X-rays; the first warms up, and validation is left out in both."""
    folder = bench.subset("chest_xray", bench.amount(1000, 32), bench.amount(100, 8))
    options = ("--train", train, "--epochs", str(bench.amount(3, 1)))
    children = {
        "sightx": bench.run(PYTHON, HERE / "sightx_epoch.py", folder, *options),
        "fastai": bench.fastai("epoch", folder, *options),
    }
    return compare(children, "images_per_second")


def compare(children: dict[str, Child], rate: str) -> dict[str, Any]:
    """Put what two children printed side by side, with the ratio of their rates."""
    told = {name: {**child.json(), "process_seconds": child.seconds} for name, child in children.items()}
    for one in told.values():  # where this machine's temporary files lay says nothing
        one.pop("output", None)
        one.pop("run", None)
    first, second = told.values()
    return {**told, "ratio": round(first[rate] / second[rate], 2)}


def make_run(bench: Bench) -> Path:
    """Fit the head of `medical-medium` on a few chest X-rays: prediction costs the same however well it was trained."""
    run = bench.work / "predicting"
    if not run.exists():
        folder = bench.subset("chest_xray", bench.amount(200, 20), 10)
        bench.fit(folder, "medical-medium", "--set", HEAD_ONLY, "--set", "training.views=1", out=run.name)
    return run


def sightx_predict(bench: Bench, source: Path) -> Child:
    """Run `sightx predict` on a folder or file."""
    output = bench.work / "predictions.csv"
    output.unlink(missing_ok=True)
    return bench.run(SIGHTX, "predict", source, "--model", make_run(bench), "-o", output, "--json")


def predict(bench: Bench) -> dict[str, Any]:
    """Chest X-rays through `sightx predict`, decoding included, against fastai's `get_preds`."""
    images = bench.repeat("chest_xray", bench.amount(2000, 64))
    trained = bench.subset("chest_xray", 32, 8)
    make_run(bench)
    children = {
        "sightx": sightx_predict(bench, images),
        "fastai": bench.fastai("predict", trained, "--images", str(images)),
    }
    found = compare(children, "images_per_second")
    whole = children["fastai"].seconds / children["sightx"].seconds
    return {**found, "process_ratio": round(whole, 2)}


def predict_bare(bench: Bench) -> dict[str, Any]:
    """`sightx predict`, decoding included, against a bare OpenVINO loop over decoded arrays and the same graph."""
    images, run = bench.repeat("chest_xray", bench.amount(2000, 64)), make_run(bench)
    children = {
        "sightx": sightx_predict(bench, images),
        "openvino": bench.run(PYTHON, HERE / "bare_openvino.py", run, images),
    }
    found = compare(children, "images_per_second")
    return {**found, "percent": round(100 * found["ratio"], 1)}


def predict_one(bench: Bench) -> dict[str, Any]:
    """One image in a fresh process, against a process that only imports OpenVINO."""
    image = next(bench.repeat("chest_xray", 1).rglob("*.j*"))
    make_run(bench)
    bare, one = median_in_turn(
        bench.amount(9, 3),
        lambda: bench.run(PYTHON, "-c", "import openvino").seconds,
        lambda: sightx_predict(bench, image).seconds,
    )
    return {"seconds": one, "import_openvino_seconds": bare}


def predict_memory(bench: Bench) -> dict[str, Any]:
    """The peak memory of ten times as many images."""
    few, many = bench.amount(1000, 40), bench.amount(10_000, 400)
    peaks = [sightx_predict(bench, bench.repeat("chest_xray", count)).peak_mb for count in (few, many)]
    return {"images": [few, many], "peak_mb": peaks, "ratio": round(peaks[1] / peaks[0], 3)}
