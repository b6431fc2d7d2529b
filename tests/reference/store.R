# How every script here writes its numbers: inputs and outputs together, with their origin.

suppressMessages(library(jsonlite))

# `cases` is a named list; `packages` are those whose results are stored.
store <- function(name, packages, cases) {
  versions <- lapply(setNames(packages, packages), function(p) as.character(packageVersion(p)))
  content <- list(
    generator = paste0("tests/reference/", name, ".R"),
    r_version = R.version.string,
    packages = versions,
    date = format(Sys.Date()),
    cases = cases
  )
  # Fifteen significant digits, the most that jsonlite writes.
  text <- toJSON(content, digits = NA, matrix = "rowmajor", auto_unbox = TRUE, na = "null")
  writeLines(text, paste0(name, ".json"))
  cat(name, ".json: ", length(cases), " cases\n", sep = "")
}

