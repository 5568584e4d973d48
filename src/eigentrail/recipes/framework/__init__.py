"""What turns a file of `eigentrail.recipes` into a study: training, analyses, claims, page, command line."""
