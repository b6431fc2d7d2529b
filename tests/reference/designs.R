# The designs that the reference scripts share: few families, unequal in size.

family_sizes <- c(6, 5, 3, 3, 2, 1)

# 20 models in 6 families, with size and release date; date depends on the family.
twenty_models <- function() {
  family <- rep(seq_along(family_sizes), family_sizes)
  n <- length(family)
  size <- rnorm(n, mean = 10, sd = 0.8)
  date <- rnorm(6, sd = 0.7)[family] + rnorm(n, sd = 0.5)
  list(n = n, family = family, model = seq_len(n), X = cbind(1, size, date), size = size, date = date)
}

# A full covariance of rank n, with correlated errors of unequal size.
full_covariance <- function(n, scale) {
  A <- matrix(rnorm(n * n), n)
  S <- cov2cor(diag(n) + tcrossprod(A) / n)
  sd <- sqrt(scale * exp(rnorm(n, sd = 0.4)))
  V <- S * tcrossprod(sd)
  (V + t(V)) / 2
}

within_blocks <- function(V, block) V * outer(block, block, "==")

correlated_normal <- function(V) as.vector(t(chol(V)) %*% rnorm(nrow(V)))

# 20 models x 10 languages: language dummies, size and date, errors correlated within a model.
cell_level <- function() {
  d <- twenty_models()
  model <- rep(seq_len(d$n), each = 10)
  language <- rep(1:10, d$n)
  family <- d$family[model]
  v <- 0.02 * exp(rnorm(200, sd = 0.5))
  rho <- 0.4
  X <- cbind(model.matrix(~ 0 + factor(language)), d$size[model], d$date[model])
  dimnames(X) <- NULL
  V <- (rho * outer(model, model, "==") + (1 - rho) * diag(200)) * tcrossprod(sqrt(v))
  y <- as.vector(X %*% c(seq(-1, 1, length.out = 10), 0.3, 0.2)) + rnorm(6, sd = 0.4)[family] +
    rnorm(20, sd = 0.3)[model] + correlated_normal(V)
  list(y = y, X = X, V = V, v = v, rho = rho, model = model, language = language, family = family)
}
