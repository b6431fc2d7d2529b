# Trends over models, from tables to tests, by metafor and clubSandwich.
# Run: Rscript tests/reference/trend.R
#
# Two stages: given scores, regressed on size and date. One regression: accuracies per model and
# language, made into logits and calibrated here once more, so that the design is R's own.

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
source("designs.R")
suppressMessages({
  library(metafor)
  library(clubSandwich)
})

tight <- list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16, maxit = 2000)

# Years with fractions, by the day of the year; leap years by their rule.
release_year <- function(date) {
  parts <- as.POSIXlt(as.Date(date))
  year <- parts$year + 1900
  leap <- (year %% 4 == 0 & year %% 100 != 0) | year %% 400 == 0
  year + parts$yday / (365 + leap)
}

estimates <- function(fit) {
  list(
    params = as.vector(fit$b), bse = as.vector(fit$se), tau2 = as.list(fit$sigma2),
    loglik = as.numeric(logLik(fit)), QE = fit$QE, QEp = fit$QEp
  )
}

# CR2 with Satterthwaite's t, CR3 with t of G - 1 degrees of freedom.
sandwiches <- function(fit, cluster) {
  second <- coef_test(fit, vcov = vcovCR(fit, cluster = cluster, type = "CR2"),
    test = "Satterthwaite")
  third <- coef_test(fit, vcov = vcovCR(fit, cluster = cluster, type = "CR3"), test = "naive-t")
  list(
    CR2 = list(se = second$SE, df = second$df_Satt, p = second$p_Satt),
    CR3 = list(se = third$SE, df = third$df_t, p = third$p_t)
  )
}

# 20 models in families of 6, 5, 3, 3, 2, 1, with release dates over three years, one of them leap.
table_of_models <- function() {
  family <- rep(seq_along(family_sizes), family_sizes)
  n <- length(family)
  start <- as.Date("2023-06-01") + round(600 * runif(6))[family]
  list(
    n = n, family = family, model = seq_len(n), params_total = round(10^rnorm(n, 10, 0.8)),
    release_date = format(start + round(350 * runif(n)))
  )
}

input_table <- function(d) {
  list(model = paste0("m", d$model), family = LETTERS[d$family], params_total = d$params_total,
    release_date = d$release_date)
}

cases <- list()

# --- two stages ---------------------------------------------------------------------------------

two_stages <- function(d, y, V, formula, robust = TRUE) {
  frame <- data.frame(y = y, family = d$family, model = d$model, params_total = d$params_total,
    release_year = release_year(d$release_date))
  known <- complete.cases(model.frame(formula, frame, na.action = na.pass))
  part <- frame[known, ]
  fit <- rma.mv(y, V[known, known], mods = formula, random = list(~ 1 | family, ~ 1 | model),
    data = part, method = "REML", control = tight)
  list(
    input = c(input_table(d), list(estimate = y, V = V)),
    output = c(list(release_year = frame$release_year, left_out = as.list(which(!known))),
      estimates(fit), if (robust) sandwiches(fit, part$family))
  )
}

set.seed(31)
d <- table_of_models()
V <- full_covariance(d$n, 0.0006)
size <- log10(d$params_total)
y <- 0.2 + 0.04 * size + 0.03 * (release_year(d$release_date) - 2024) +
  rnorm(6, sd = 0.04)[d$family] + rnorm(d$n, sd = 0.03) + correlated_normal(V)
block <- within_blocks(V, d$family)
cases$two_stages_block_v <- two_stages(d, y, block, ~ log10(params_total) + release_year)
cases$two_stages_full_v <- two_stages(d, y, V, ~ log10(params_total) + release_year, robust = FALSE)

unknown <- d
unknown$params_total[c(2, 7, 8, 13, 18)] <- NA
cases$two_stages_sizes_unknown <- two_stages(unknown, y, block, ~ log10(params_total))

# --- one regression -----------------------------------------------------------------------------

chance_logit <- function(p, n, chance) {
  shrunk <- (p * n + 0.5) / (n + 1)
  se <- sqrt(shrunk * (1 - shrunk) / n) / (1 - chance)
  q <- pmin(pmax((p - chance) / (1 - chance), 0.5 * se), 1 - 0.5 * se)
  list(z = qlogis(q), v = (se / (q * (1 - q)))^2)
}

# Covariates are centred: with years around 2024 clubSandwich's CR2 keeps three digits only (a
# centred and an uncentred fit differ by 2 parts in 1,000). Slopes do not depend on the centre.
centre <- c(10, 2024)

one_regression <- function(d, source, target, n, chance, slope = NULL) {
  x <- cbind(log10(d$params_total), release_year(d$release_date)) -
    matrix(centre, d$n, 2, byrow = TRUE)
  s <- chance_logit(source, n, chance)
  first <- rma(s$z, s$v, mods = x, method = "REML",
    control = list(threshold = 1e-11, maxiter = 1000))
  expected <- as.vector(cbind(1, x) %*% first$b)
  reliability <- first$tau2 / (first$tau2 + s$v)
  eta <- expected + reliability * (s$z - expected)
  left <- reliability * s$v

  cells <- which(!is.na(target), arr.ind = TRUE)
  cells <- cells[order(cells[, 1], cells[, 2]), ]
  m <- cells[, 1]
  language <- cells[, 2]
  t <- chance_logit(target[cells], n, chance)
  dummies <- model.matrix(~ 0 + factor(language))
  long <- data.frame(family = d$family[m], model = m, cell = seq_along(m))
  random <- list(~ 1 | family, ~ 1 | model, ~ 1 | cell)
  if (is.null(slope)) {
    X <- cbind(dummies, eta[m], x[m, ])
    place <- ncol(dummies) + 1
    beta <- lm.fit(X, t$z)$coefficients[place]
    repeat {
      V <- diag(t$v) + beta^2 * left[m] * outer(m, m, "==")
      fit <- rma.mv(t$z, V, mods = X, intercept = FALSE, random = random, data = long,
        method = "REML", control = tight)
      new <- fit$b[place]
      if (abs(new - beta) <= 1e-8 + 0.05 * abs(beta)) break
      beta <- new
    }
    goal <- t$z
  } else {
    X <- cbind(dummies, x[m, ])
    V <- diag(t$v) + slope^2 * s$v[m] * outer(m, m, "==")
    goal <- t$z - slope * s$z[m]
    fit <- rma.mv(goal, V, mods = X, intercept = FALSE, random = random, data = long,
      method = "REML", control = tight)
  }
  list(
    input = c(input_table(d), list(source = source, target = target, n_trials = n, chance = chance,
      centre = centre),
      if (!is.null(slope)) list(slope = slope)),
    output = c(
      list(y = goal, X = unname(X), v = t$v, shared = diag(V) - t$v,
        source_params = as.vector(first$b), source_tau2 = first$tau2),
      estimates(fit), sandwiches(fit, long$family))
  )
}

set.seed(32)
d <- table_of_models()
n <- 400
chance <- 0.25
ability <- 0.4 + 0.9 * (log10(d$params_total) - 10) + rnorm(d$n, sd = 0.6)
transfer <- 0.15 * (log10(d$params_total) - 10) + 0.2 * (release_year(d$release_date) - 2024) +
  rnorm(6, sd = 0.2)[d$family] + rnorm(d$n, sd = 0.15)
accuracy <- function(logit) {
  p <- chance + (1 - chance) * plogis(logit)
  rbinom(length(p), n, p) / n
}
source <- accuracy(ability)
target <- sapply(c(-0.2, -0.6, -1.1), function(a) {
  accuracy(a + 0.8 * ability + transfer + rnorm(d$n, sd = 0.1))
})
target[3, 2] <- NA
target[11, 1] <- NA
cases$one_regression <- one_regression(d, source, target, n, chance)
cases$one_regression_slope_held <- one_regression(d, source, target, n, chance, slope = 1)

store("trend", c("metafor", "clubSandwich"), cases)
