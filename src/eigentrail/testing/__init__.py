"""Conformance suites: what every metric must do, ours and those of other packages, as functions for your own tests.

from eigentrail.testing import check_metric

def test_my_metric():
    check_metric(my_metric)
"""

from eigentrail.testing.metrics import check_metric as check_metric
