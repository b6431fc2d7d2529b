"""Captions of the tables of a run, in the order of the report.

What stands up to the study is the title, the rest a note below the table in LaTeX.
They are filled in with the `study`, the `level` of its intervals, the `reference` and the `method`
of its scores and `how` they work, their `scope`, what is said of `smoothing` and `trials`, what
kind of `claims` are tested, and the number of `listed` items and of `checked` models.
"""

CAPTIONS = {
    "main": (
        "HAT scores, {study}. Source: accuracy in the source language. HAT: {how}, for {scope}; SE "
        "{errors}. CI: {level}{df}. Rank: those that the data "
        "leave each model, all at once ({level}; {draws} draws, seed {seed}). {leader}.{part}"
        "{assumption}"
    ),
    "scores": (
        "HAT scores, {study}. HAT: {how}; CI: {level}, for {scope}."
        "{assumption}{smoothing}{trials} Rank: those that the data leave each model, all at once "
        "({level}). {leader}: a test of the first rank alone, which can leave it to fewer models."
    ),
    "pairs": (
        "The highest score less those that follow, {study}. p is that of one difference alone, p "
        "(all) is adjusted for all pairs of models, and CI is simultaneous: {level} for all "
        "pairs at once, cut at ±1. pairs.csv has all of them. {leader}."
    ),
    "languages": (
        "HAT by language, {study}. Mean of the {count} models that are ranked, method {method}, "
        "reference {reference}, for {scope}. Less mean: the language less the mean of all; CI and "
        "p (all) are for all languages at once ({level}). Resource: class of Joshi et al. (2020)."
    ),
    "language_groups": (
        "Differences between groups of languages, {study}; CI: {level} for each alone. For these "
        "languages: items are sampled; for languages like these: languages and models are, by "
        "crossed effects (REML), and what resources explain is no difference of scripts."
    ),
    "faults": (
        "Items that the models answer in the source language and hardly any in one target "
        "language, {study}. Class C of differential functioning, p (all) by false discovery rate "
        "over all items and languages. Source, Target: mean accuracy. A wrong translation or key "
        "looks like this, and so does a word that no model knows. The first {listed}; faults.csv "
        "has all."
    ),
    "without_faults": (
        "HAT of languages with and without the items that fail in one of them, {study}. "
        "without_faults.csv has the models, too."
    ),
    "claims": (
        "{claims}, {study}. Families are clusters; p values are one-sided, against the "
        "threshold, and adjusted by Holm for all that were tested; the adjusted p decides, at its "
        "level in each direction, where other methods agree. Most weight: the family with the "
        "largest share in the variance. Opposite p: that of the opposite claim, which refutes. "
        "Other scope: the verdict for these models where models like these are claimed, and "
        "the other way round. Scores: for {scope}."
    ),
    "margins": (
        "Claims of non-inferiority under other margins, {study}: p is adjusted by Holm with the "
        "other claims as they are, and decides. TOST: two one-sided tests that the "
        "difference is within the margin either way; P(within): chance of that under a flat prior."
    ),
    "shares": (
        "How many of the analyses tried give each verdict, {study}. Analyses are not independent: "
        "a share is no probability."
    ),
    "decompositions": (
        "Change in raw target accuracy as source ability plus transfer, {study}; CI: {level}, "
        "items sampled anew, models as they are."
    ),
    "trends": (
        "Trends of HAT over models, {study}. For models like these: families are sampled, CR2 "
        "standard errors with Satterthwaite df; for these models: items alone are. CI: {level}; "
        "scores: for {scope}. Slopes are per unit of the term (log10 parameters: per tenfold; "
        "release year: per year); on the accuracy scale at the mean of the covariates. Slope 1: "
        "with the slope of target on source logits, which accuracies alone estimate, held at "
        "1.{marks}"
    ),
    "comparison": (
        "The same trends under other standard errors and tests, {study}. With few families only "
        "CR2, the Rademacher bootstrap and the permutation keep their level; floor: the smallest "
        "p that a method can give. CI: {level}; unbounded where the floor is above what that "
        "needs, a dash where the df are too few or the method has none."
    ),
    "leverage": (
        "Influential families, {study}. Share: that of each in the information on a trend; near "
        "100 % one family decides."
    ),
    "influence": (
        "Influential models: those whose removal moves each trend most, {study}. DFBETAS: the "
        "coefficient less that without the model, in standard errors; Cook's distance: the same "
        "for all covariates at once."
    ),
    "measures": (
        "Other measures of transfer, {study}. Gap: source minus target accuracy; ratio: target "
        "over source accuracy; excess: target accuracy over the panel's line; CI: {level}, by "
        "resampling items."
    ),
    "other_measures": (
        "More measures, {study}. Both: right in source and target; Cond.: of those right in the "
        "source; Cond.+s: with the source row among the targets; γ: logit profile; κ: agreement "
        "of right and wrong; Parity: best less worst language; log OR: Mantel-Haenszel; Mother, "
        "Local: MultiLoKo's effects. measures.csv has the intervals.{blank}"
    ),
    "specification": (
        "The claims under every choice of the analysis, {study}. p values are one-sided; verdicts "
        "are adjusted by Holm for all claims tested."
    ),
    "checks": (
        "HAT by every method that the study allows, and checks of the profile, {study}. A "
        "difference is tested against 0; CI: {level}, for these wordings. Of more than {checked} "
        "models those whose scores by the methods lie furthest apart; checks.csv has all."
    ),
    "items": (
        "Items that transfer far worse or better than the profile says, {study}: q is adjusted "
        "for all items and languages; elsewhere is the item's mean residual in the other "
        "languages. The first {listed}; items.csv has all."
    ),
    "bayes_claims": (
        "{claims} as posterior probabilities, {study}. ROPE: the region of practical "
        "equivalence of the quantity; for non-inferiority the margin on both sides. Regression: "
        "the verdict of the table of claims."
    ),
    "bayes_scores": (
        "HAT scores by the hierarchical model, {study}. Posterior mean and {level} interval; "
        "beside them the score without the model."
    ),
    "bayes_checks": "Checks of the hierarchical model, {study}.",
    "flagged": "Cells flagged as suspicious and left out of the analysis, {study}.",
    "left_out": "Models that an analysis could not use, {study}.",
}
