# Restricted maximum likelihood by metafor and lme4. Run: Rscript tests/reference/reml.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
source("designs.R")
suppressMessages({
  library(metafor)
  library(lme4)
})

# metafor's default stops early; these settings give about eight digits of tau^2.
tight <- list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16, maxit = 2000)

outputs <- function(fit) {
  list(
    params = as.vector(fit$b), cov = unname(vcov(fit)), loglik = as.numeric(logLik(fit)),
    QE = fit$QE, QEp = fit$QEp
  )
}

mv_case <- function(y, X, V, groupings) {
  data <- as.data.frame(groupings)
  random <- lapply(names(groupings), function(g) as.formula(paste("~ 1 |", g)))
  fit <- rma.mv(y, V, mods = X, intercept = FALSE, random = random, data = data,
    method = "REML", control = tight)
  list(input = list(y = y, X = unname(X), V = V, groupings = groupings),
    output = c(list(tau2 = as.list(fit$sigma2)), outputs(fit)))
}

fixed_case <- function(y, X, V) {
  fit <- rma.mv(y, V, mods = X, intercept = FALSE, method = "REML")
  list(input = list(y = y, X = unname(X), V = V, groupings = setNames(list(), character(0))),
    output = c(list(tau2 = list()), outputs(fit)))
}

uni_case <- function(y, X, vi) {
  fit <- rma(y, vi, mods = X, intercept = FALSE, method = "REML",
    control = list(threshold = 1e-14, maxiter = 1000))
  list(input = list(y = y, X = unname(X), V = diag(vi), groupings = list(row = seq_along(y))),
    output = c(list(tau2 = list(fit$tau2)), outputs(fit), list(I2 = fit$I2, H2 = fit$H2)))
}

outcome <- function(d, V, family_sd, model_sd) {
  as.vector(d$X %*% c(-2, 0.3, 0.25)) + rnorm(6, sd = family_sd)[d$family] +
    rnorm(d$n, sd = model_sd) + correlated_normal(V)
}

cases <- list()

set.seed(11)
d <- twenty_models()
V <- full_covariance(d$n, 0.04)
y <- outcome(d, V, 0.6, 0.4)
both <- list(family = d$family, model = d$model)
cases$full_v_family_and_model <- mv_case(y, d$X, V, both)
cases$full_v_constant_only <- mv_case(y, d$X[, 1, drop = FALSE], V, both)
cases$full_v_family_only <- mv_case(y, d$X, V, both["family"])
cases$full_v_model_only <- mv_case(y, d$X, V, both["model"])
cases$fixed_effects_full_v <- fixed_case(y, d$X, V)
cases$block_v_family_and_model <- mv_case(y, d$X, within_blocks(V, d$family), both)

set.seed(12)
V <- full_covariance(d$n, 0.04)
cases$boundary_family_zero <- mv_case(outcome(d, V, 0, 0.5), d$X, V, both)
V <- full_covariance(d$n, 0.4)
cases$boundary_all_zero <- mv_case(0.3 * outcome(d, V, 0, 0), d$X, V, both)

set.seed(13)
vi <- 0.05 * exp(rnorm(d$n, sd = 0.7))
y <- outcome(d, diag(vi), 0.3, 0.3)
cases$rma_constant <- uni_case(y, matrix(1, d$n, 1), vi)
cases$rma_mods <- uni_case(y, d$X, vi)
cases$rma_equal_v <- uni_case(y, d$X[, 1:2], rep(0.05, d$n))

set.seed(14)
cell <- cell_level()
case <- mv_case(cell$y, cell$X, cell$V, list(family = cell$family, model = cell$model))
# The covariance is rebuilt from its recipe: 40,000 numbers would say no more.
case$input$V <- list(v = cell$v, rho = cell$rho, block = cell$model)
cases$cells <- case

# No known covariance: an ordinary mixed model, by another package.
set.seed(15)
y <- outcome(d, diag(0.01, d$n), 0.7, 0.4)
family <- factor(d$family)
fit <- lmer(y ~ size + date + (1 | family), data = list(y = y, size = d$size, date = d$date,
  family = family), control = lmerControl(optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-12)))
components <- as.data.frame(VarCorr(fit))
cases$lme4_no_known_covariance <- list(
  input = list(y = y, X = unname(d$X), V = matrix(0, d$n, d$n), groupings = both),
  output = list(tau2 = as.list(components$vcov), params = unname(fixef(fit)),
    cov = unname(as.matrix(vcov(fit))))
)

store("reml", c("metafor", "lme4"), cases)
