"""What the terms of a report mean, for who reads it and does not train networks: no number is said here."""

from __future__ import annotations

TERMS = {
    "interval": (
        "How far chance alone may have moved a figure. If the model were measured again on many other sets of so many "
        "images of the same kind, nearly all of the intervals made in this way (the stated share) would hold the true "
        "value. A wide interval means few images, not a bad model."
    ),
    "groups": (
        "Images that belong together, such as those of one patient. They resemble each other, so they count as one "
        "piece of evidence: intervals are made by drawing whole groups."
    ),
    "accuracy": "The share of images whose prediction is right. It looks good by itself where one class is frequent.",
    "balanced_accuracy": "The mean of the sensitivities of the classes: a rare class counts as much as a frequent one.",
    "roc_auc": (
        "The area under the ROC curve: how often, of an image with the class and one without, the one with it gets the "
        "higher probability. One half is guessing, one is perfect ranking. It does not depend on a threshold, nor on "
        "how frequent the class is. Of several classes it is the mean over each class against the rest."
    ),
    "macro_roc_auc": "The area under the ROC curve of each label, averaged over the labels.",
    "micro_roc_auc": "The area under the ROC curve over all pairs of an image and a label, thrown together.",
    "average_precision": (
        "The area under the precision–recall curve: how few false alarms there are while more and more of a class is "
        "found. Guessing reaches the share of the class. It is the stricter figure where a class is rare."
    ),
    "mean_average_precision": "The average precision of each label, averaged over the labels.",
    "f1": "The harmonic mean of sensitivity and PPV, averaged over the classes: high only where both are.",
    "macro_f1": "The harmonic mean of sensitivity and PPV of each label, averaged over the labels.",
    "micro_f1": "The same over all pairs of an image and a label, thrown together.",
    "matthews": (
        "Matthews' correlation of truth and prediction: one where all is right, nought for guessing. It is high only "
        "where every cell of the confusion matrix is good."
    ),
    "quadratic_kappa": (
        "Agreement of grades beyond chance, where a mistake by two grades weighs four times one by one grade. One is "
        "full agreement, nought is chance."
    ),
    "exact_match": "The share of images that are given exactly their labels, no more and no fewer.",
    "hamming_loss": "The share of single yes-or-no answers, one for each image and label, that are wrong.",
    "loss": (
        "The log loss: the mean of minus the logarithm of the probability given to the truth. Low is good; one sure "
        "mistake costs much. It judges the probabilities and not only the decisions."
    ),
    "brier": "The mean squared distance between the probabilities and what was true. Low is good.",
    "calibration_error": (
        "How far stated probabilities lie from what came true, on average. Nought is right. It depends on how images "
        "are put together, so the Brier score, slope and intercept stand beside it."
    ),
    "calibration_slope": (
        "One where probabilities are neither too extreme nor too timid. Below one the model is too sure of itself, "
        "above one too cautious."
    ),
    "calibration_intercept": (
        "Nought where probabilities are right on average; below it they are too high, above too low."
    ),
    "calibration": "Whether, of the images given a probability, just that share turns out to have the class.",
    "temperature": (
        "One number that all scores are divided by, so that probabilities are neither too sure nor too timid. It does "
        "not change which class is likeliest."
    ),
    "sensitivity": "Also recall: of the images that have the class, the share that is found.",
    "specificity": "Of the images that do not have the class, the share that is not taken for it.",
    "ppv": (
        "Positive predictive value, also precision: of the images that are given the class, the share that has it. It "
        "falls where the class is rarer than in these images."
    ),
    "npv": "Negative predictive value: of the images that are not given the class, the share that does not have it.",
    "precision": "Also positive predictive value (PPV): of the images that are given the class, the share that has it.",
    "prevalence": "The share of images that have the class. PPV and NPV depend on it; sensitivity does not.",
    "support": "How many of the images have the class.",
    "threshold": "The probability from which an image is given a class.",
    "confusion": (
        "Rows are the true classes, columns what the model says: the diagonal is right. Choose a cell to see "
        "its images."
    ),
    "roc": (
        "Each point is a threshold: how many of the class are found (up), at how many false alarms among the others "
        "(right). The nearer to the upper left corner, the better; the diagonal is guessing."
    ),
    "precision_recall": (
        "Each point is a threshold: of those called positive how many are (up), against how many of the class "
        "are found "
        "(right). Guessing lies at the share of the class."
    ),
    "reliability": (
        "Images are put together by the probability that they were given (right); the height is the share for which it "
        "came true. On the diagonal probabilities can be taken at their word."
    ),
    "histogram": "How many images of each true class were given which probability: well told classes lie far apart.",
    "decision_curve": (
        "Net benefit: right alarms minus false ones, weighed by the threshold, that is by how many false alarms one "
        "would accept for one right alarm. The model is useful where its line lies above both treating all and none."
    ),
    "cross_validation": (
        "The training images are divided into folds; a model trained on all folds but one is judged on the one "
        "that is left out, in turn. So every training image is judged once by a model that has not seen it."
    ),
    "views": (
        "Each image is also shown to the model mirrored or turned, as leaves its label alone, and the probabilities "
        "are averaged: a little better often, and slower always."
    ),
    "coverage": "The accuracy of those images of which the model is surest, against how large a share they are.",
    "abstention": (
        "Images for which the model should not decide alone. Unsure: several classes remain possible. Unfamiliar: the "
        "image does not resemble the training images."
    ),
    "epoch": (
        "One pass over all training images. After each the model is judged on the validation images; the best is kept."
    ),
    "network": "The pretrained part that turns an image into numbers; the head on top turns these into classes.",
    "leak": "The same photograph, or the same patient, on both sides of the split: figures then look too good.",
    "selected_on": (
        "The best epoch was chosen on these same images, so their figures are a little flattered: internal validation. "
        "Only images on which nothing was chosen show how the model does on new ones."
    ),
    "robustness": "The same images, changed as cameras, archives and screens change them: figures should hardly fall.",
}
"""By the name of a figure in metrics.json, or of a section."""
