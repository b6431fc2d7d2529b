"""How numbers are written: as many digits as their standard error can carry, unknown as a dash."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hatstats.inference.result_frame import large_text
from hatstats.inference.result_frame import p_text as p_text
from hatstats.study.languages.metadata import english_name as english_name
from hatstats.study.model_metadata import term_words as term_words

#: Written for an unknown number.
UNKNOWN = "–"
#: Decimals where no standard error says how many.
PLAIN_DECIMALS = 3
_MOST_DECIMALS = 6


def decimals(std_error: float) -> int:
    """Decimals, 0 to 6, that a standard error in the units of the number justifies.

    The rule of the Particle Data Group: two digits of the error if they are 35 or below, one
    digit otherwise, so that rounding never costs more than a sixth of the error. Without an error
    (NaN, 0, infinite) the answer is ``PLAIN_DECIMALS``.
    """
    if not math.isfinite(std_error) or std_error <= 0.0:
        return PLAIN_DECIMALS
    order = math.floor(math.log10(std_error))
    leading = round(std_error / 10.0 ** (order - 1))
    return min(max(-order + (1 if leading <= 35 else 0), 0), _MOST_DECIMALS)


def column_decimals(std_errors: ArrayLike) -> int:
    """Decimals for a whole column: those of the median standard error."""
    values = np.asarray(std_errors, dtype=float)
    known = values[np.isfinite(values) & (values > 0.0)]
    return decimals(float(np.median(known))) if known.size else PLAIN_DECIMALS


def number_text(value: float, n_decimals: int = PLAIN_DECIMALS) -> str:
    """Write a number with so many decimals, a true minus sign, and never ``-0``."""
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0.0 and abs(value) < 0.5 * 10.0**-n_decimals and n_decimals >= _MOST_DECIMALS:
        return f"{value:.1e}".replace("-", "−")
    # The option z of format() makes a zero of what is rounded to -0.
    return f"{value:z.{n_decimals}f}".replace("-", "−")


def plain_text(value: float) -> str:
    """Write a number that is exact, such as a registered threshold, with the digits it has."""
    return UNKNOWN if math.isnan(value) else f"{value:g}".replace("-", "−")


def df_text(value: float) -> str:
    """Write degrees of freedom with one decimal, or none where they are whole or 100 or more."""
    whole = math.isfinite(value) and (value == round(value) or value >= 100.0)
    return number_text(value, 0 if whole else 1)


def count_text(value: float) -> str:
    """Write a count."""
    return number_text(value, 0)


def parameters_text(value: float) -> str:
    """Write a number of parameters short: 2.7e10 becomes 27B."""
    return UNKNOWN if math.isnan(value) else large_text(value) or f"{value:.3g}"


def percent_text(value: float) -> str:
    """Write a share in per cent without decimals."""
    return UNKNOWN if math.isnan(value) else f"{100.0 * value:.0f} %"


def date_text(value: object) -> str:
    """Write a date as year, month and day."""
    stamp = pd.to_datetime(value)  # type: ignore[call-overload]
    return UNKNOWN if pd.isna(stamp) else f"{stamp:%Y-%m-%d}"


def words(name: object) -> str:
    """Write an identifier as words."""
    return str(name).replace("_", " ")


def prose(text: str) -> str:
    """Write a sentence that holds numbers: terms as words, and true minus signs."""
    return re.sub(r"(?<![\w.])-(?=\.?\d)", "−", term_words(text))
