# All pairs, and rank sets by step-down, without simulation. Run: Rscript tests/reference/pairs.R

suppressMessages({library(multcomp); library(mvtnorm)})
here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
exact <- GenzBretz(maxpts = 2e6, abseps = 1e-5)

# Contrasts (one row each) of the hypotheses "j is not above k".
rows <- function(pairs, size) {
  t(apply(pairs, 1, function(p) replace(replace(numeric(size), p[1], 1), p[2], -1)))
}
correlation <- function(L, V) cov2cor(L %*% V %*% t(L))

# The largest of such statistics: pairs that are open both ways are one two-sided statistic.
probability <- function(q, pairs, V) {
  key <- apply(pairs, 1, function(p) paste(sort(p), collapse = " "))
  once <- !duplicated(key)
  lower <- ifelse(table(key)[key[once]] == 2, -q, -Inf)
  R <- correlation(rows(pairs[once, , drop = FALSE], nrow(V)), V)
  if (sum(once) == 1) return(pnorm(q) - ifelse(is.finite(lower), pnorm(lower), 0))
  pmvnorm(lower = as.numeric(lower), upper = rep(q, sum(once)), corr = R, algorithm = exact)[1]
}

above <- function(x, V, level, of = NULL) {
  size <- length(x)
  open <- as.matrix(subset(expand.grid(j = 1:size, k = 1:size), j != k))
  if (!is.null(of)) open <- open[open[, 1] == of | open[, 2] == of, ]
  found <- matrix(FALSE, size, size)
  repeat {
    set.seed(1)
    critical <- uniroot(function(q) probability(q, open, V) - level, c(0.5, 6), tol = 1e-4)$root
    L <- rows(open, size)
    new <- as.vector(L %*% x) / sqrt(diag(L %*% V %*% t(L))) > critical
    if (!any(new)) return(found)
    found[open[new, , drop = FALSE]] <- TRUE
    open <- open[!new, , drop = FALSE]
  }
}
limits <- function(found) cbind(1 + colSums(found), nrow(found) - rowSums(found))

one <- function(seed, size, spacing, rho) {
  set.seed(seed)
  x <- spacing * (1:size) + rnorm(size)
  root <- matrix(rnorm(size * (size + 2)), size)
  V <- rho * cov2cor(root %*% t(root)) + (1 - rho) * diag(size)
  V <- V * outer(w <- runif(size, 0.6, 1.4), w)
  names(x) <- dimnames(V)[[1]] <- dimnames(V)[[2]] <- paste0("m", 1:size)
  # All pairs of earlier less later.
  pairs <- t(combn(size, 2))
  set.seed(2)
  test <- glht(parm(x, V), linfct = rows(pairs, size))
  p <- summary(test, test = adjusted("single-step", maxpts = 2e6, abseps = 1e-5))$test$pvalues
  critical <- attr(confint(test, level = 0.95)$confint, "calpha")
  best <- sapply(1:size, function(j) {
    others <- cbind(setdiff(1:size, j), j)
    L <- rows(others, size)
    z <- max(as.vector(L %*% x) / sqrt(diag(L %*% V %*% t(L))))
    1 - probability(z, others, V)
  })
  marginal <- t(sapply(1:size, function(j) limits(above(x, V, 0.95, j))[j, ]))
  list(estimates = unname(x), cov = unname(V), p_adjusted = as.vector(p), critical = critical,
       joint = unname(limits(above(x, V, 0.95))), marginal = unname(marginal), best_p = best)
}

store("pairs", c("multcomp", "mvtnorm"), list(
  close = one(1, 6, 0.3, 0),
  spaced = one(2, 6, 1.2, 0.5),
  correlated = one(3, 5, 0.6, 0.95),
  far = one(4, 5, 3, 0.5)))
