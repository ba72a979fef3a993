"""The paper's own results on HELM (29 datasets, 18 models), to stand beside ours. Shnitzer et al., arXiv 2309.15789."""

HELM_ACCURACY = {
    "S1": 0.662,
    "S2": 0.676,
    "S3": 0.694,
    "S3_true_p": 0.735,
    "LL": 0.684,
    "BMA": 0.688,
    "oracle": 0.773,
}
"""Table 1, mean accuracy of the chosen model."""
