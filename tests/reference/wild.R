# The wild cluster bootstrap by refitting: every sign pattern, one lm at a time.
# Run: Rscript tests/reference/wild.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
source("designs.R")
suppressMessages(library(clubSandwich))

# Null: the last coefficient is `null`. Ties are counted, so p is at least 2 / 2^G.
enumerate <- function(y, X, cluster, null, weights) {
  k <- ncol(X)
  statistic <- function(response) {
    fit <- lm(response ~ 0 + X, weights = weights)
    V <- vcovCR(fit, cluster = cluster, type = "CR1")
    unname((coef(fit)[k] - null) / sqrt(V[k, k]))
  }
  restricted <- lm(y - null * X[, k] ~ 0 + X[, -k, drop = FALSE], weights = weights)
  signs <- as.matrix(expand.grid(rep(list(c(1, -1)), length(unique(cluster)))))
  draws <- apply(signs, 1, function(s) {
    statistic(fitted(restricted) + null * X[, k] + s[cluster] * residuals(restricted))
  })
  t <- statistic(y)
  list(statistic = t, p_value = mean(abs(draws) >= abs(t) * (1 - 1e-9)),
    p_greater = mean(draws >= t - 1e-9 * abs(t)), p_less = mean(draws <= t + 1e-9 * abs(t)),
    draws = sort(unname(draws)))
}

set.seed(31)
d <- twenty_models()
cases <- list()
for (effect in c(0, 1.5)) {
  y <- as.vector(d$X %*% c(0, 0.3, effect)) + rnorm(6, sd = 0.3)[d$family] + rnorm(d$n, sd = 0.3)
  w <- exp(rnorm(d$n, sd = 0.5))
  for (null in c(0, 0.25)) {
    case <- list(y = y, X = unname(d$X), cluster = d$family, null = null)
    name <- paste0("effect_", effect, "_null_", null)
    cases[[name]] <- list(input = c(case, list(weights = rep(1, d$n))),
      output = enumerate(y, d$X, d$family, null, rep(1, d$n)))
    cases[[paste0(name, "_weighted")]] <- list(input = c(case, list(weights = w)),
      output = enumerate(y, d$X, d$family, null, w))
  }
}

store("wild", "clubSandwich", cases)
