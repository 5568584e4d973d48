"""Conformance suites: what the house expects of a metric, an analysis and others that are added to it."""

from eigentrail.testing.analyses import check_analysis as check_analysis
from eigentrail.testing.metrics import check_metric as check_metric
