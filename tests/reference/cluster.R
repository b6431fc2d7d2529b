# Cluster-robust covariance, degrees of freedom and joint tests by clubSandwich.
# Run: Rscript tests/reference/cluster.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
source("designs.R")
suppressMessages({
  library(metafor)
  library(clubSandwich)
})

# Everything that is compared, for each correction that clubSandwich can compute.
outputs <- function(fit, cluster, L, kinds = c("CR0", "CR1", "CR2", "CR3"), ...) {
  result <- list(params = as.vector(coef(fit)), residuals = as.vector(residuals(fit)))
  for (kind in kinds) {
    V <- vcovCR(fit, cluster = cluster, type = kind, ...)
    test <- Wald_test(fit, constraints = L, vcov = V, test = "HTZ")
    # With one contrast the test "HTZ" is the Satterthwaite t test, squared.
    contrast_df <- apply(L, 1, function(row) {
      Wald_test(fit, constraints = matrix(row, 1), vcov = V, test = "HTZ")$df_denom
    })
    tests <- coef_test(fit, vcov = V, test = c("naive-t", "Satterthwaite"))
    result[[kind]] <- list(
      cov = unname(as.matrix(V)[, ]), df = tests$df_Satt, naive_df = tests$df_t,
      contrast_df = as.list(contrast_df), F = test$Fstat, df_denom = test$df_denom, p = test$p_val
    )
  }
  result
}

set.seed(21)
d <- twenty_models()
n <- d$n
y <- as.vector(d$X %*% c(-2, 0.3, 0.25)) + rnorm(6, sd = 0.5)[d$family] + rnorm(n, sd = 0.4)
w <- exp(rnorm(n, sd = 0.6))
L <- rbind(c(0, 1, 0), c(0, 0.5, -1))
cases <- list()

lm_input <- function(X, y, L, weights, working) {
  list(X = unname(X), y = y, cluster = d$family, L = L, weights = weights, working = working)
}

fit <- lm(y ~ 0 + d$X)
cases$lm <- list(input = lm_input(d$X, y, L, rep(1, n), rep(1, n)),
  output = outputs(fit, d$family, L))

fit <- lm(y ~ 0 + d$X, weights = w)
cases$lm_weighted <- list(input = lm_input(d$X, y, L, w, rep(1, n)),
  output = outputs(fit, d$family, L))
cases$lm_weighted_inverse_variance <- list(input = lm_input(d$X, y, L, w, 1 / w),
  output = outputs(fit, d$family, L, inverse_var = TRUE))
target <- exp(rnorm(n, sd = 0.5))
cases$lm_weighted_other_working <- list(input = lm_input(d$X, y, L, w, target),
  output = outputs(fit, d$family, L, target = target, inverse_var = FALSE))

fit <- lm(y ~ 0 + d$X)
cases$lm_every_row_a_cluster <- list(
  input = modifyList(lm_input(d$X, y, L, rep(1, n), rep(1, n)), list(cluster = seq_len(n))),
  output = outputs(fit, seq_len(n), L))

# Dummies of the four larger families: those clusters lose rank, and only slopes inside families
# are left. CR3 has no inverse there, so clubSandwich gives none.
dummies <- sapply(1:5, function(f) as.numeric(d$family == f))
X <- cbind(1, dummies[, 1:4], d$size)
fit <- lm(y ~ 0 + X)
L_slope <- rbind(c(0, 0, 0, 0, 0, 1))
cases$lm_family_dummies <- list(input = lm_input(X, y, L_slope, rep(1, n), rep(1, n)),
  output = outputs(fit, d$family, L_slope, kinds = c("CR0", "CR1", "CR2")))

# Generalised least squares. Weights and working covariance follow from V, tau^2 and the groups.
gls_case <- function(y, X, V, cluster, groupings, L, stored_V = V) {
  data <- as.data.frame(groupings)
  colnames(X) <- paste0("x", seq_len(ncol(X)))  # coef_test wants names
  random <- lapply(names(groupings), function(g) as.formula(paste("~ 1 |", g)))
  fit <- rma.mv(y, V, mods = X, intercept = FALSE, random = random, data = data, method = "REML")
  list(
    input = list(X = unname(X), y = y, cluster = cluster, L = L, V = stored_V,
      groupings = groupings, tau2 = as.list(fit$sigma2)),
    output = outputs(fit, cluster, L)
  )
}

set.seed(22)
V <- within_blocks(full_covariance(n, 0.05), d$family)
y <- as.vector(d$X %*% c(-2, 0.3, 0.25)) + rnorm(6, sd = 0.5)[d$family] + rnorm(n, sd = 0.4) +
  correlated_normal(V)
groups <- list(family = d$family, model = d$model)
cases$rma_mv_block_v <- gls_case(y, d$X, V, d$family, groups, L)
cases$rma_mv_diagonal_v <- gls_case(y, d$X, diag(diag(V)), d$family, groups, L)

fit <- rma(y, diag(V), mods = d$X, intercept = FALSE, method = "REML")
cases$rma <- list(
  input = list(X = unname(d$X), y = y, cluster = d$family, L = L, V = diag(diag(V)),
    groupings = list(row = d$model), tau2 = list(fit$tau2)),
  output = outputs(fit, d$family, L))

set.seed(23)
cell <- cell_level()
L_cell <- cbind(matrix(0, 2, 10), diag(2))
cases$cells <- gls_case(cell$y, cell$X, cell$V, cell$family,
  list(family = cell$family, model = cell$model), L_cell,
  stored_V = list(v = cell$v, rho = cell$rho, block = cell$model))

store("cluster", c("clubSandwich", "metafor"), cases)
