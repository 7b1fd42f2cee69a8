"""The metrics of images with several labels, one entry each; `registry` has those of one label."""

from __future__ import annotations

from sightx_cli.metrics import set_figures as figures
from sightx_cli.metrics.metric import MULTI_LABEL, Metric

MEAN_AVERAGE_PRECISION = Metric(
    "mean_average_precision",
    "mean average precision",
    figures.measure_mean_precision,
    figures.resample_mean_precision,
    figures.linearise_mean_precision,
    expect=figures.expect_mean_precision,
    is_smoothed=True,
    head="mean AP",
    judges_labels=False,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
MACRO_ROC_AUC = Metric(
    "macro_roc_auc",
    "macro ROC AUC",
    figures.measure_macro_area,
    figures.resample_macro_area,
    figures.linearise_macro_area,
    expect=figures.expect_macro_area,
    judges_labels=False,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
MICRO_ROC_AUC = Metric(
    "micro_roc_auc",
    "micro ROC AUC",
    figures.measure_micro_area,
    figures.resample_micro_area,
    figures.linearise_micro_area,
    judges_labels=False,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
MACRO_F1 = Metric(
    "macro_f1",
    "macro F1",
    figures.measure_macro_f1,
    figures.resample_macro_f1,
    figures.linearise_macro_f1,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
MICRO_F1 = Metric(
    "micro_f1",
    "micro F1",
    figures.measure_micro_f1,
    figures.resample_micro_f1,
    figures.linearise_micro_f1,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
EXACT_MATCH = Metric(
    "exact_match",
    "exact match",
    figures.measure_exact_match,
    figures.resample_exact_match,
    figures.linearise_exact_match,
    is_share=True,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)
HAMMING_LOSS = Metric(
    "hamming_loss",
    "Hamming loss",
    figures.measure_hamming_loss,
    figures.resample_hamming_loss,
    figures.linearise_hamming_loss,
    lower_is_better=True,
    each_epoch=True,
    kinds=(MULTI_LABEL,),
)

SET_METRICS = (MEAN_AVERAGE_PRECISION, MACRO_ROC_AUC, MICRO_ROC_AUC, MACRO_F1, MICRO_F1, EXACT_MATCH, HAMMING_LOSS)
"""In the order of tables."""
