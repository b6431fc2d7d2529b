# Binomial counts with a normal random intercept by lme4. Run: Rscript tests/reference/glmer.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")
suppressMessages(library(lme4))

counts <- function(seed, items, trials, mean, sd) {
  set.seed(seed)
  trials <- rep_len(trials, items)
  list(k = rbinom(items, trials, plogis(mean + sd * rnorm(items))), n = trials)
}

# With nAGQ > 1 lme4 reports the log-likelihood less that of the saturated model, which depends on
# the data alone; it is added back here. Items of which all or no answers are right make the
# integrand lopsided, so that wide abilities need more than 25 nodes.
glmer_case <- function(d, nodes = 25) {
  data <- data.frame(k = d$k, wrong = d$n - d$k, item = factor(seq_along(d$k)))
  fit <- glmer(cbind(k, wrong) ~ 1 + (1 | item), data = data, family = binomial, nAGQ = nodes,
    control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13,
      optCtrl = list(rhobeg = 0.1, rhoend = 1e-9, maxfun = 1e5)))
  saturated <- sum(dbinom(d$k, d$n, d$k / d$n, log = TRUE))
  list(input = list(k = d$k, n = d$n, nAGQ = nodes),
    output = list(mu = unname(fixef(fit)), sigma = unname(attr(VarCorr(fit)$item, "stddev")),
      reported = as.numeric(logLik(fit)), saturated = saturated,
      loglik = as.numeric(logLik(fit)) + saturated))
}

cases <- list(
  ten_trials = glmer_case(counts(1, 250, 10, 0.5, 1.5)),
  three_trials = glmer_case(counts(2, 400, 3, -1, 1)),
  able_model = glmer_case(counts(3, 658, 10, 2.5, 1.5)),
  unequal_trials = glmer_case(counts(4, 200, c(2, 5, 10, 30), 0, 0.8)),
  wide_abilities = glmer_case(counts(5, 300, 10, -0.5, 3), 100),
  few_items = glmer_case(counts(6, 30, 8, 0.3, 1)),
  many_trials = glmer_case(counts(7, 100, 100, -1, 0.5))
)

store("glmer", "lme4", cases)
