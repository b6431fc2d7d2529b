"""How a profile is estimated: four sibling methods behind `fit_profile`."""
