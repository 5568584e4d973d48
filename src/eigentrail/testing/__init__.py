"""Conformance suites: what the house expects of a metric, an analysis and others that are added to it."""

from eigentrail.testing.analyses import check_analysis as check_analysis
from eigentrail.testing.interventions import check_intervention as check_intervention
from eigentrail.testing.metrics import check_metric as check_metric
from eigentrail.testing.nulls import check_null as check_null
from eigentrail.testing.operators import check_operator as check_operator
