"""Findings and claims as values: what was asked, what came out, how sure that is, and one sentence."""

from eigentrail.findings.claim import Claim as Claim
from eigentrail.findings.claim import ClaimResult as ClaimResult
from eigentrail.findings.claim import Rule as Rule
from eigentrail.findings.claim import decreasing as decreasing
from eigentrail.findings.claim import equals as equals
from eigentrail.findings.claim import greater_than as greater_than
from eigentrail.findings.claim import greater_than_chance as greater_than_chance
from eigentrail.findings.claim import increasing as increasing
from eigentrail.findings.claim import less_than as less_than
from eigentrail.findings.claim import less_than_chance as less_than_chance
from eigentrail.findings.finding import MOST_WORDS as MOST_WORDS
from eigentrail.findings.finding import Chance as Chance
from eigentrail.findings.finding import Effect as Effect
from eigentrail.findings.finding import Finding as Finding
from eigentrail.findings.finding import Skipped as Skipped
from eigentrail.findings.finding import Verdict as Verdict
from eigentrail.findings.finding import adjusted as adjusted
from eigentrail.findings.finding import strongest_first as strongest_first
