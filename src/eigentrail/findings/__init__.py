"""Findings and claims as values: what was asked, what came out, how sure that is, and one sentence."""

from eigentrail.findings.claim import TOLD as TOLD
from eigentrail.findings.claim import Claim as Claim
from eigentrail.findings.claim import ClaimResult as ClaimResult
from eigentrail.findings.claim import adjusted_p as adjusted_p
from eigentrail.findings.finding import MOST_WORDS as MOST_WORDS
from eigentrail.findings.finding import Chance as Chance
from eigentrail.findings.finding import Effect as Effect
from eigentrail.findings.finding import Finding as Finding
from eigentrail.findings.finding import Skipped as Skipped
from eigentrail.findings.finding import Verdict as Verdict
from eigentrail.findings.finding import adjusted as adjusted
from eigentrail.findings.finding import strongest_first as strongest_first
from eigentrail.findings.rules import Rule as Rule
from eigentrail.findings.rules import all_of as all_of
from eigentrail.findings.rules import decreasing as decreasing
from eigentrail.findings.rules import equals as equals
from eigentrail.findings.rules import greater_than as greater_than
from eigentrail.findings.rules import greater_than_chance as greater_than_chance
from eigentrail.findings.rules import greater_than_rival as greater_than_rival
from eigentrail.findings.rules import increasing as increasing
from eigentrail.findings.rules import less_than as less_than
from eigentrail.findings.rules import less_than_chance as less_than_chance
