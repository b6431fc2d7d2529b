# Mantel-Haenszel and logistic functioning of single items. Run: Rscript tests/reference/functioning.R

here_file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
setwd(dirname(normalizePath(here_file)))
source("store.R")

one <- function(seed, persons, shift, bend) {
  set.seed(seed)
  score <- rep(round(runif(persons, 0.2, 0.9), 3), 2)
  target <- rep(c(0, 1), each = persons)
  score <- score - 0.1 * target
  class <- cut(rank(score, ties.method = "min"), 3, labels = FALSE)
  eta <- 4 * (score - 0.5) + shift * target + bend * target * (score - 0.5)
  right <- rbinom(2 * persons, 1, plogis(eta))
  tables <- table(factor(target, c(1, 0)), factor(right, c(1, 0)), class)
  mh <- mantelhaen.test(tables, correct = FALSE)
  fits <- list(
    glm(right ~ 1, binomial), glm(right ~ score, binomial),
    glm(right ~ score + target, binomial), glm(right ~ score * target, binomial))
  deviances <- sapply(fits, deviance)
  n <- length(right)
  r2 <- function(fit) {
    (1 - exp((deviance(fit) - deviances[1]) / n)) / (1 - exp(-deviances[1] / n))
  }
  list(
    input = list(right = right, target = target, score = score, class = class),
    output = list(
      log_odds = log(unname(mh$estimate)),
      std_error = unname(diff(log(mh$conf.int)) / (2 * qnorm(0.975))),
      p_value = unname(mh$p.value),
      uniform_p = anova(fits[[2]], fits[[3]], test = "LRT")[2, 5],
      nonuniform_p = anova(fits[[3]], fits[[4]], test = "LRT")[2, 5],
      r2_change = r2(fits[[4]]) - r2(fits[[2]])))
}

store("functioning", "stats", list(
  none = one(1, 30, 0, 0),
  harder = one(2, 40, -1.5, 0),
  crossing = one(3, 60, 0, -6),
  few_models = one(7, 12, -0.5, 0)))
