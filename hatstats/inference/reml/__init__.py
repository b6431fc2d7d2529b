"""Random-effects meta-regression with a known covariance of the estimates."""
