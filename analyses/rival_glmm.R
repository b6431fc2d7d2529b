# The crossed mixed model of arXiv 2610.03367 on the cells that rival_glmm.py writes.
# Run: Rscript analyses/rival_glmm.R OUT/cells.csv analyses/rival_glmm.json
# (Debian: r-cran-lme4, r-cran-jsonlite). Counts are binomial by cell of model, language and
# template; nAGQ = 0, since 60,000 cells with 2,100 random effects are too many for more.

suppressMessages({
  library(lme4)
  library(jsonlite)
})
paths <- commandArgs(trailingOnly = TRUE)
d <- read.csv(paths[1], stringsAsFactors = FALSE)
d$pair <- paste(d$weights, d$language)
d$cell <- paste(d$item, d$language)
d$answered <- d$target * d$resource

one <- function(formula, d) {
  fit <- glmer(formula, d, binomial, nAGQ = 0,
    control = glmerControl(optimizer = "bobyqa", calc.derivs = FALSE))
  rows <- coef(summary(fit))
  sd <- as.data.frame(VarCorr(fit))
  list(formula = paste(deparse(formula), collapse = " "), cells = nrow(d),
    models = length(unique(d$model)), languages = length(unique(d$language)),
    terms = data.frame(term = rownames(rows), estimate = rows[, 1], std_error = rows[, 2],
      row.names = NULL),
    effects = data.frame(effect = paste(sd$grp, sd$var1), sd = sd$sdcor),
    log_likelihood = as.numeric(logLik(fit)))
}

both <- cbind(n_correct, n_trials - n_correct) ~ 1
target <- update(both, . ~ size + reasoning + year + resource + (1 | weights) + (1 | model) +
  (1 | language) + (1 | pair) + (1 | item) + (1 | cell))
gap <- update(both, . ~ target * (size + reasoning + year) + answered + (1 + target || weights) +
  (1 | model) + (1 | language) + (1 | pair) + (1 | item) + (1 | cell))
packages <- c("lme4", "jsonlite")
content <- list(
  generator = "analyses/rival_glmm.R", r_version = R.version.string,
  packages = lapply(setNames(packages, packages), function(p) as.character(packageVersion(p))),
  date = format(Sys.Date()),
  fits = list(target = one(target, d[d$target == 1, ]), gap = one(gap, d)))
writeLines(toJSON(content, digits = 8, auto_unbox = TRUE, pretty = TRUE), paths[2])
