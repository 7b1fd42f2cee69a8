"""How soon images have their row while a folder fills, and what watching an idle folder costs.

    python benchmarks/watched_folder.py RUN IMAGES [IMAGES_PER_SECOND [SECONDS]]

RUN is a finished run, IMAGES a folder of JPEG files, copied one after the other into a folder that
`sightx predict --watch` watches, 20 a second for 20 seconds by default. Prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IDLE_SECONDS = 5.0


def read_processor_seconds(process: int) -> float:
    """Read what a process has used of the processors, from Linux's /proc."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def feed(images: list[Path], folder: Path, rate: float, seconds: float) -> None:
    """Copy images into a folder, so many a second."""
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        shutil.copyfile(images[number % len(images)], folder / f"{number:06}.jpg")


def main() -> None:
    """Measure, and print what was found."""
    run, source, rate, seconds = (*sys.argv[1:], "20", "20")[:4]
    images = sorted(Path(source).rglob("*.jpg"))
    with tempfile.TemporaryDirectory() as home:
        folder, table = Path(home) / "in", Path(home) / "rows.csv"
        folder.mkdir()
        command = [sys.executable, "-m", "sightx_cli", "predict", "--watch", str(folder), "--json", "--quiet"]
        command += ["--model", str(Path(run).absolute()), "-o", str(table), "--move-to", str(Path(home) / "sorted")]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=home)
        while not table.exists() and watching.poll() is None:
            time.sleep(0.05)
        time.sleep(1)
        before = read_processor_seconds(watching.pid)
        time.sleep(IDLE_SECONDS)
        idle = (read_processor_seconds(watching.pid) - before) / IDLE_SECONDS
        feed(images, folder, float(rate), float(seconds))
        end = time.monotonic() + 5 * float(seconds)
        while any(folder.iterdir()) and time.monotonic() < end:
            time.sleep(0.1)
        watching.send_signal(signal.SIGTERM)
        found = json.loads(watching.communicate()[0])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {name: found[name] for name in ("images", "moved", "waiting", "latency")}
    figures |= {"idle_share_of_a_processor": round(idle, 4), "processor_s": round(used.ru_utime + used.ru_stime, 2)}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
