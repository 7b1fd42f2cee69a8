"""fastai is imported without scikit-learn and scipy.stats, which are there all the same for who asks for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETTLE = "from sightx_cli.startup.process import settle_process; settle_process()\n"
IMPORT = """
import sys
from sightx_cli.startup.imports import TRAINING, importing
with importing(TRAINING):
    pass
"""
STAND = """
import sys
from sightx_cli.startup.statistics_libraries import StandIn, build_stand_ins
sys.modules.update(build_stand_ins())
"""
LEFT = "print([name for name, one in sys.modules.items() if type(one).__name__ == 'StandIn'])"


def run(code: str, before: str = SETTLE) -> list[str]:
    """Run Python in a process of its own, for a module is imported once; gives the lines that it printed."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", before + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.slow
def test_what_a_fit_imports_leaves_them_out_and_what_fastai_does_with_them_works() -> None:
    code = f"""
{IMPORT}
print("sklearn" in sys.modules, "scipy.stats" in sys.modules)
{LEFT}
from fastai.data.transforms import TrainTestSplitter
train, valid = TrainTestSplitter(test_size=0.25, random_state=0)(list(range(8)))
print(len(train), len(valid))
from fastai.metrics import F1Score, SpearmanCorrCoef
import torch
print(round(float(F1Score().func(torch.tensor([1, 0, 1]), torch.tensor([1, 0, 1]))), 3))
from sklearn.model_selection import StratifiedKFold
import scipy, scipy.stats, sklearn
print(scipy.stats.rankdata([3, 1]).tolist(), scipy.stats.__file__ is not None, sklearn.__version__ != "")
"""
    assert run(code) == ["False False", "[]", "6 2", "1.0", "[2.0, 1.0] True True"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from sklearn.model_selection import GroupKFold", "GroupKFold"),
        pytest.param("from sklearn.metrics import log_loss", "log_loss", marks=pytest.mark.slow),
        pytest.param("from sklearn.linear_model import Ridge", "Ridge", marks=pytest.mark.slow),
        pytest.param("from sklearn.utils.extmath import randomized_svd", "randomized_svd", marks=pytest.mark.slow),
        ("from scipy.stats import binomtest", "binomtest"),
        ("import sklearn.cluster; MiniBatchKMeans = sklearn.cluster.MiniBatchKMeans", "MiniBatchKMeans"),
        pytest.param("import scipy.stats; ks_2samp = scipy.stats.ks_2samp", "ks_2samp", marks=pytest.mark.slow),
    ],
)
def test_who_asks_for_more_meanwhile_gets_the_real_ones(statement: str, name: str) -> None:
    assert run(f"{STAND}\n{statement}\nprint({name}.__name__)\n{LEFT}") == [name, "[]"]


@pytest.mark.parametrize(
    "before",
    ["", SETTLE + "from sightx_cli.startup import switch; switch.KNOWN_VERSIONS['fastai'] = ('0.1',)\n"],
    ids=["not settled", "another fastai"],
)
@pytest.mark.slow
def test_where_they_may_not_be_left_out_they_are_imported_plainly(before: str) -> None:
    assert run(IMPORT + "print(sys.modules['sklearn.metrics'].__file__ is not None)", before) == ["True"]
