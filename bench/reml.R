# The REML fit of a panel by metafor's rma.mv, and by lme4's lmer with the sampling variances left
# out: arguments are a folder with panel.csv (y, family, model, benchmark, row, x1, x2, ...) and
# V.csv. Prints one line each: name, seconds, restricted log-likelihood, last coefficient.
folder <- commandArgs(trailingOnly = TRUE)[1]
rows <- read.csv(file.path(folder, "panel.csv"))
V <- as.matrix(read.csv(file.path(folder, "V.csv"), header = FALSE))
dimnames(V) <- NULL
X <- as.matrix(rows[, grep("^x", names(rows))])
groups <- intersect(c("family", "model", "benchmark", "cell"), names(rows))
terms <- lapply(groups, function(name) as.formula(paste("~ 1 |", name)))
report <- function(name, seconds, fit, value)
  cat(name, seconds, sprintf("%.12g", as.numeric(logLik(fit))), sprintf("%.12g", value), "\n")
if (requireNamespace("metafor", quietly = TRUE)) {
  seconds <- system.time(fit <- metafor::rma.mv(rows$y, V, mods = X, intercept = FALSE,
                                                random = terms, data = rows, sparse = TRUE))
  report("metafor::rma.mv", sum(seconds[1:2]), fit, tail(coef(fit), 1))
}
if (requireNamespace("lme4", quietly = TRUE)) {
  rows$X <- X
  effects <- paste(sprintf("(1 | %s)", setdiff(groups, "cell")), collapse = " + ")
  formula <- as.formula(paste("y ~ 0 + X +", effects))
  seconds <- system.time(fit <- lme4::lmer(formula, rows, REML = TRUE))
  report("lme4::lmer", sum(seconds[1:2]), fit, tail(lme4::fixef(fit), 1))
}
