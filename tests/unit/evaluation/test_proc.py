"""Areas, intervals, tests and partial areas against R's pROC; skipped where it is not installed."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from fracturax.evaluation.classification import delong_variance
from fracturax.evaluation.comparison import delong_test, delong_test_unpaired
from fracturax.evaluation.multiclass_auroc import multiclass_auroc
from fracturax.evaluation.operating_points import Youden
from fracturax.evaluation.partial_auc import partial_auc

SCRIPT = r"""
suppressMessages(library(pROC))
d <- read.csv(file("stdin"))
r <- function(y, s) roc(y, s, direction = "<", levels = c(0, 1), quiet = TRUE)
a <- r(d$y, d$a); b <- r(d$y, d$b)
h <- seq_len(nrow(d)) <= nrow(d) / 2
one <- r(d$y[h], d$a[h]); two <- r(d$y[!h], d$b[!h])
paired <- roc.test(a, b, method = "delong", paired = TRUE)
apart <- roc.test(one, two, method = "delong", paired = FALSE)
p <- function(focus, range, correct) as.numeric(auc(a, partial.auc = range,
  partial.auc.focus = focus, partial.auc.correct = correct))
best <- coords(a, "best", best.method = "youden", ret = c("sensitivity", "specificity"),
  transpose = FALSE)
m <- as.matrix(d[, c("p1", "p2", "p3")]); colnames(m) <- c("1", "2", "3")
many <- as.numeric(multiclass.roc(d$k, m, quiet = TRUE)$auc)
out <- c(auc_a = as.numeric(a$auc), var_a = var(a), auc_b = as.numeric(b$auc),
  paired_z = unname(paired$statistic), paired_p = paired$p.value,
  apart_p = apart$p.value,
  spec = p("specificity", c(1, .8), FALSE), spec_correct = p("specificity", c(1, .8), TRUE),
  sens = p("sensitivity", c(1, .9), FALSE), middle = p("specificity", c(.9, .6), TRUE),
  youden = max(best$sensitivity + best$specificity), hand_till = many)
cat("{", paste0('"', names(out), '": ', format(out, digits = 17), collapse = ","), "}")
"""


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    reference = (generator.uniform(size=160) < 0.4).astype(int)
    shared = generator.normal(size=160)
    a, b = np.round(reference + shared + generator.normal(size=(2, 160)), 1)
    classes = np.arange(160) % 3
    weight = np.exp(np.eye(3)[classes] + generator.normal(size=(160, 3)))
    return reference, a, b, classes, weight / weight.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def proc(rows):
    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("no Rscript here")
    reference, a, b, classes, chance = rows
    lines = ["y,a,b,k,p1,p2,p3"]
    lines += [
        f"{reference[i]},{a[i]},{b[i]},{classes[i] + 1},"
        + ",".join(f"{value:.17g}" for value in chance[i])
        for i in range(160)
    ]
    run = subprocess.run(
        [program, "-e", SCRIPT],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "there is no package called" in run.stderr:
        pytest.skip("no pROC here")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_delong_is_that_of_proc(rows, proc):
    reference, a, b, _, _ = rows
    test = delong_test(reference, a, b)
    assert (test.auroc_a, test.auroc_b) == pytest.approx((proc["auc_a"], proc["auc_b"]))
    assert (test.z, test.p) == pytest.approx((proc["paired_z"], proc["paired_p"]))
    assert delong_variance(reference, a) == pytest.approx(proc["var_a"])


def test_the_unpaired_test_is_near_that_of_proc(rows, proc):
    reference, a, b, _, _ = rows
    test = delong_test_unpaired(reference[:80], a[:80], reference[80:], b[80:])
    # pROC refers the same statistic to Student's t with Welch's degrees of freedom.
    assert test.p == pytest.approx(proc["apart_p"], abs=0.01)


def test_partial_areas_are_those_of_proc(rows, proc):
    reference, a, _, _, _ = rows
    found = {
        "spec": partial_auc(reference, a, low=0.8, corrected=False),
        "spec_correct": partial_auc(reference, a, low=0.8),
        "sens": partial_auc(reference, a, low=0.9, over="sensitivity", corrected=False),
        "middle": partial_auc(reference, a, low=0.6, high=0.9),
    }
    assert found == pytest.approx({name: proc[name] for name in found})


def test_youden_is_that_of_proc(rows, proc):
    reference, a, _, _, _ = rows
    called = a >= Youden().threshold(reference, a)
    found = called[reference == 1].mean() + (~called)[reference == 0].mean()
    assert found == pytest.approx(proc["youden"])


def test_hand_and_till_is_that_of_proc(rows, proc):
    _, _, _, classes, chance = rows
    names = np.array(["1", "2", "3"])[classes]
    found = multiclass_auroc(names, chance, labels=("1", "2", "3"))["auroc_hand_till"]
    assert found.value == pytest.approx(proc["hand_till"])
