# Crossed random effects, intercepts and slopes, by lme4 with lmerTest's degrees of freedom and
# pbkrtest's adjusted covariance.
# Run: Rscript tests/reference/crossed.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
suppressMessages({
  library(lme4)
  library(lmerTest)
  library(pbkrtest)
})

# A panel of languages by models with twins; some cells are missing where `gaps` is set.
panel <- function(seed, n_languages, n_weights, n_twins, gaps = 0) {
  set.seed(seed)
  weights <- c(seq_len(n_weights), seq_len(n_twins))
  d <- expand.grid(language = seq_len(n_languages), model = seq_along(weights))
  d$weights <- weights[d$model]
  r <- as.vector(scale(rnorm(n_languages)))
  s <- rnorm(n_weights)
  d$r <- r[d$language]
  d$s <- s[d$weights]
  pair <- matrix(rnorm(n_weights * n_languages, sd = 0.3), n_weights)
  d$y <- 0.5 + 0.3 * d$r + 0.4 * d$s - 0.1 * d$r * d$s +
    rnorm(n_languages, sd = 0.4)[d$language] + rnorm(n_weights, sd = 0.5)[d$weights] +
    rnorm(length(weights), sd = 0.2)[d$model] + pair[cbind(d$weights, d$language)] +
    rnorm(n_weights, sd = 0.3)[d$weights] * d$r + rnorm(n_languages, sd = 0.2)[d$language] * d$s +
    rnorm(nrow(d), sd = 0.2)
  if (gaps) d <- d[-sample(nrow(d), gaps), ]
  d$pair <- paste(d$weights, d$language)
  d
}

one <- function(d, formula, effects) {
  fit <- lmer(formula, d, control = lmerControl(
    optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6), calc.derivs = FALSE))
  found <- as.data.frame(VarCorr(fit))
  # Intercepts and slopes of one grouping are known apart by their variable.
  sd_of <- function(e) {
    group <- sub("\\.\\d+$", "", found$grp)
    found$sdcor[group == e[1] & !is.na(found$var1) & found$var1 == e[2]]
  }
  list(
    input = list(y = d$y, X = unname(model.matrix(fit)),
      language = d$language, model = d$model, weights = d$weights, pair = d$pair,
      r = d$r, s = d$s, effects = effects),
    output = list(params = unname(fixef(fit)), cov = unname(as.matrix(vcov(fit))),
      df = unname(summary(fit)$coefficients[, "df"]),
      kenward_roger = unname(as.matrix(vcovAdj(fit))),
      sd = c(sapply(effects, sd_of), sigma(fit)), criterion = as.numeric(REMLcrit(fit))))
}

I <- "(Intercept)"
full <- y ~ r * s + (1 | language) + (1 | weights) + (1 | model) + (1 | pair) +
  (0 + s | language) + (0 + r | weights)
every <- list(c("language", I), c("weights", I), c("model", I), c("pair", I),
  c("language", "s"), c("weights", "r"))
cases <- list(
  two_crossed = one(panel(1, 14, 12, 0), y ~ r + s + (1 | language) + (1 | weights),
    list(c("language", I), c("weights", I))),
  twins_and_slopes = one(panel(2, 14, 12, 6), full, every),
  missing_cells = one(panel(3, 10, 11, 5, gaps = 30), full, every),
  few_languages = one(panel(4, 6, 15, 0), y ~ r * s + (1 | language) + (1 | weights) +
    (0 + s | language) + (0 + r | weights),
    list(c("language", I), c("weights", I), c("language", "s"), c("weights", "r")))
)
store("crossed", c("lme4", "lmerTest", "pbkrtest"), cases)
