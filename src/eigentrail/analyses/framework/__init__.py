"""What turns a file of `eigentrail.analyses` into table, findings, page, JSON and cache."""
