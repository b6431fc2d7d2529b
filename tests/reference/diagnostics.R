# Knapp-Hartung, Satterthwaite, Q_M and influence of a meta-regression, by metafor and lmerTest.
# Run: Rscript tests/reference/diagnostics.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
source("designs.R")
suppressMessages({
  library(metafor)
  library(lmerTest)
})

tight <- list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16, maxit = 2000)
cases <- list()

# One random effect per row and independent errors: what rma() adjusts by Knapp and Hartung.
set.seed(51)
d <- twenty_models()
v <- 0.01 * exp(rnorm(d$n, sd = 0.5))
y <- as.vector(d$X %*% c(0, 0.1, 0.2)) + rnorm(d$n, sd = 0.15) + rnorm(d$n, sd = sqrt(v))
fit <- rma(y, v, mods = d$X, intercept = FALSE, method = "REML", test = "knha",
  control = list(threshold = 1e-12, maxiter = 2000))
cases$knapp_hartung <- list(
  input = list(y = y, X = unname(d$X), v = v),
  output = list(params = as.vector(fit$b), se = fit$se, df = fit$ddf, p = fit$pval,
    tau2 = fit$tau2)
)

# No known errors: a mixed model with a family effect, whose degrees of freedom lmerTest gives.
set.seed(52)
d <- twenty_models()
y <- as.vector(d$X %*% c(0, 0.1, 0.2)) + rnorm(6, sd = 0.3)[d$family] + rnorm(d$n, sd = 0.2)
frame <- data.frame(y = y, size = d$size, date = d$date, family = factor(d$family))
mixed <- lmer(y ~ size + date + (1 | family), data = frame,
  control = lmerControl(optCtrl = list(xtol_rel = 1e-14, ftol_rel = 1e-14)))
table <- coef(summary(mixed, ddf = "Satterthwaite"))
cases$satterthwaite <- list(
  input = list(y = y, X = unname(d$X), family = d$family),
  output = list(params = unname(table[, "Estimate"]), se = unname(table[, "Std. Error"]),
    df = unname(table[, "df"]), p = unname(table[, "Pr(>|t|)"]))
)

# Full covariance, family and model effects: Q_M, and what happens without a model or a family.
set.seed(53)
d <- twenty_models()
V <- full_covariance(d$n, 0.0006)
y <- as.vector(d$X %*% c(0, 0.02, 0.03)) + rnorm(6, sd = 0.04)[d$family] +
  rnorm(d$n, sd = 0.03) + correlated_normal(V)
frame <- data.frame(y = y, size = d$size, date = d$date, family = d$family, model = d$model)
mv <- rma.mv(y, V, mods = ~ size + date, random = list(~ 1 | family, ~ 1 | model), data = frame,
  method = "REML", control = tight)
cases$influence <- list(
  input = list(y = y, X = unname(d$X), V = V, family = d$family),
  output = list(
    QM = mv$QM, QMp = mv$QMp, cook_model = unname(cooks.distance(mv)),
    dfbetas_model = unname(as.matrix(dfbetas(mv))),
    cook_family = unname(cooks.distance(mv, cluster = d$family)),
    dfbetas_family = unname(as.matrix(dfbetas(mv, cluster = d$family)))
  )
)

store("diagnostics", c("metafor", "lmerTest"), cases)
