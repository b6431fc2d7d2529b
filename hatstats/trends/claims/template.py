"""A commented ``[[claims]]`` section for the study at hand, to be edited before scores are seen."""

from __future__ import annotations

from hatstats.study import Study

_TEMPLATE = """\
# Claims, to be written down and locked (hatstats claims STUDY --lock) before scores are seen.
# Keep those that you mean, change their numbers, delete the rest, and put them into study.toml.
#
# Keys of every claim but a contrast, all optional:
#   level = 0.05                   one-sided; each direction errs at most this often
#   scope = "models like these"    families are sampled (default), or "these models": items are
#   formula = "TERM + OTHERS"      other covariates that are held
#   statement = "..."              the claim in your words

# Small models are not worse than large ones by more than a margin of accuracy.
[[claims]]
name = "small_models_not_broken"
kind = "non_inferiority"
small = {small}
large = {large}
margin = 0.05

# Of the growth of raw target accuracy with size, less than this share is transfer; the rest is
# source ability. Abstains where raw target accuracy does not grow.
[[claims]]
name = "mostly_source_ability"
kind = "transfer_share"
term = "log10(params_total)"
threshold = 0.5

# The gap between source and target accuracy, in logits, grows with size by more than the threshold:
# with -0.1 it shrinks by less than 0.1 per tenfold parameters. direction = "less" reverses it.
[[claims]]
name = "gap_stays"
kind = "gap_slope"
term = "log10(params_total)"
threshold = -0.1

# HAT grows by less than was expected, here five points of accuracy per tenfold parameters.
[[claims]]
name = "slower_than_expected"
kind = "expected_slope"
term = "log10(params_total)"
expected = 0.05

# HAT rises (direction = "less": falls) with a covariate by more than the threshold per unit.
[[claims]]
name = "progress_given_size"
kind = "slope"
term = "release_year"
threshold = 0.0
formula = "log10(params_total) + release_year"

# HAT of one model exceeds that of another by more than the threshold.
[[claims]]
name = "first_beats_second"
kind = "contrast"
model = "{first}"
other = "{second}"
threshold = 0.0

# Source accuracy rises faster than HAT: supported almost by construction, since HAT is net of
# source accuracy. Prefer transfer_share or gap_slope, which can fail.
# [[claims]]
# name = "slower_than_source"
# kind = "slope_difference"
# term = "log10(params_total)"
# threshold = 0.0
"""


def claim_template(study: Study) -> str:
    """A commented TOML text with a claim of every kind, in the sizes and names of a study."""
    sizes = study.models["params_total"].dropna().astype(float)
    low, high = (float(sizes.min()), float(sizes.max())) if len(sizes) > 1 else (1e9, 1e11)
    # Inside the range of the models, where there is no extrapolation.
    small, large = (f"{value:.0e}".replace("e+", "e") for value in (low, high))
    if float(small) >= float(large):
        small, large = "1e9", "1e11"
    names = [name.replace("\\", "\\\\").replace('"', '\\"') for name in study.model_names]
    first, second = (*names, "another model")[:2]
    return _TEMPLATE.format(small=small, large=large, first=first, second=second)
