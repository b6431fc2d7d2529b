# Bivariate binomial model of source and target counts by lme4's glmer. Called by bench/joint.py:
# Rscript bench/joint.R counts.csv repeats
suppressMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
counts <- read.csv(arguments[1])
items <- seq_len(nrow(counts))
long <- data.frame(
  item = factor(rep(items, 2)),
  language = factor(rep(c("source", "target"), each = nrow(counts))),
  right = c(counts$source, counts$target),
  wrong = c(counts$source_trials - counts$source, counts$target_trials - counts$target)
)
seconds <- replicate(as.integer(arguments[2]), system.time(
  fit <<- glmer(cbind(right, wrong) ~ 0 + language + (0 + language | item), long, binomial)
)[c("user.self", "sys.self")] |> sum())
spread <- VarCorr(fit)$item
cat(sprintf("%.17g\n", c(min(seconds), fixef(fit), attr(spread, "stddev"),
  attr(spread, "correlation")[1, 2], as.numeric(logLik(fit)))))
cat(R.version.string, "lme4", as.character(packageVersion("lme4")), "\n")
