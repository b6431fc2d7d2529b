"""What a transfer profile and a HAT score are, whichever estimator made them."""
