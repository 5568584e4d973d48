"""Findings and claims as values."""

import contextvars
import json

import numpy as np
import pytest
from scipy.stats import binom

from eigentrail import findings as f
from eigentrail.errors import OptionError


def _finding(p, verdict=f.Verdict.YES, question="Is it more than chance?"):
    return f.Finding("fc1", question, verdict, "It is more than chance.", p=p)


def test_correction_turns_a_lone_weak_yes_into_undecided():
    made = f.adjusted([_finding(0.04), *(_finding(0.5, f.Verdict.NO) for _ in range(9))])
    assert made[0].verdict is f.Verdict.UNDECIDED
    assert {one.asked for one in made} == {10}
    assert f.adjusted([_finding(0.04)])[0].verdict is f.Verdict.YES


def test_families_are_corrected_by_question():
    made = f.adjusted([_finding(0.04), *(_finding(0.5, f.Verdict.NO, "Another?") for _ in range(9))])
    assert made[0].verdict is f.Verdict.YES
    assert made[0].asked == 1


def test_long_sentences_are_refused_and_json_has_no_nan():
    with pytest.raises(OptionError, match="25 words"):
        f.Finding("x", "?", f.Verdict.NO, "word " * 26)
    one = f.Finding("x", "?", f.Verdict.NO, "One word.", effect=f.Effect("r", float("nan")))
    assert json.loads(json.dumps(one.to_dict(), allow_nan=False))["effect"]["value"] is None


def test_a_long_sentence_of_a_user_is_cut_where_its_parts_meet_and_nothing_is_lost():
    long = "No drift beyond chance: " + "word " * 18 + "end; up to three times is within chance."
    # As in a user's process, where nothing is strict.
    context = contextvars.Context()
    one = context.run(f.Finding, "x", "?", f.Verdict.NO, long, detail="More.")
    assert one.sentence == "No drift beyond chance: " + "word " * 18 + "end."
    assert one.detail == "Up to three times is within chance. More."
    plain = context.run(f.Finding, "x", "?", f.Verdict.NO, "word " * 40)
    assert len(plain.sentence.split()) == f.MOST_WORDS and plain.detail == ("word " * 40).strip()


def test_order_is_faults_then_yes_then_p():
    fault = f.Finding("a", "?", f.Verdict.NO, "A fault.", needs_look=True)
    rows = [_finding(0.5, f.Verdict.NO), _finding(0.01), _finding(0.001), fault]
    assert [r.p for r in f.strongest_first(rows)] == [None, 0.001, 0.01, 0.5]


def _claim(rule):
    return f.Claim("x", "S0", "It grows.", "growth", rule)


@pytest.mark.parametrize(
    ("rule", "values", "chance", "verdict"),
    [
        (f.greater_than(1.0), [1.5, 1.6, 1.4], [], "yes"),
        (f.greater_than(1.0), [0.5, 0.6, 0.4], [], "no"),
        (f.greater_than(1.0), [0.5, 1.6, 1.2], [], "undecided"),
        (f.greater_than(1.0), [2.0, 2.0], [], "undecided"),
        (f.less_than(1.0), [0.5, 0.6, 0.4], [], "yes"),
        (f.equals(2.0, within=0.2), [2.01, 1.99, 2.0], [], "yes"),
        (f.equals(2.0, within=0.2), [3.01, 2.99, 3.0], [], "no"),
        (f.equals(6, within=0), [6, 6, 6], [], "yes"),
        (f.equals(6, within=0), [6, 7, 6], [], "undecided"),
        (f.greater_than_chance(), [0.9, 0.8, 0.85], [0.5, 0.5, 0.4], "yes"),
        (f.greater_than_rival("a line"), [0.9, 0.8, 0.85], [0.5, 0.5, 0.4], "yes"),
        (f.all_of(f.less_than(0.5), f.less_than_chance()), [0.4, 0.41, 0.42], [0.9], "yes"),
        # Less than its share, but more than half: one of both conditions is violated.
        (f.all_of(f.less_than(0.5), f.less_than_chance()), [0.55, 0.56, 0.54], [0.9], "no"),
        (f.increasing(), [[1, 2, 3], [1.1, 2.2, 2.9], [1, 2.1, 3.1]], [], "yes"),
        (f.decreasing(), [[1, 2, 3], [1.1, 2.2, 2.9], [1, 2.1, 3.1]], [], "no"),
    ],
)
def test_rules_decide_from_the_spread_over_seeds(rule, values, chance, verdict):
    assert _claim(rule).decide(values, chance).verdict == verdict


def test_the_effect_of_a_sequence_is_how_far_it_goes():
    found = _claim(f.increasing()).decide([[1, 2, 3], [1, 2, 5], [1, 4, 4]])
    assert found.mean == 3.0 and found.interval == pytest.approx((3 - 2.4841, 3 + 2.4841), abs=1e-4)
    assert found.to_dict()["statistic"].endswith("last minus first")
    assert "last minus first: 3, 95% 0.516 to 5.48, 3 seeds" in found.sentence


def test_undecided_tells_how_many_seeds_would_decide():
    found = _claim(f.greater_than(0.0)).decide([0.9, -0.4, 0.7])
    assert found.verdict is f.Verdict.UNDECIDED
    assert 5 < found.seeds_needed < 40
    json.dumps(found.to_dict(), allow_nan=False)
    assert "seeds would decide" in found.sentence
    assert _claim(f.greater_than(0.0)).decide([0.9]).seeds_needed == 3
    # Five seeds without a value: what is lacking is the number, not seeds.
    assert _claim(f.greater_than(0.0)).decide([float("nan")] * 5).seeds_needed is None


def test_a_claim_that_is_false_is_called_true_at_its_level():
    # 600 claims of mean 0 beside the bar 0: 5% are called "holds" and 5% "does not hold"; binomial bounds at 0.1%.
    rng = np.random.default_rng(1)
    told = [_claim(f.greater_than(0.0)).decide(rng.standard_normal(5)).verdict for _ in range(600)]
    for verdict in (f.Verdict.YES, f.Verdict.NO):
        assert 12 <= told.count(verdict) <= 52


def test_what_stands_beside_a_value_has_its_own_name() -> None:
    told = _claim(f.greater_than_rival("the quadratic fit")).decide([0.9, 0.8, 0.85], [0.5]).to_dict()
    assert (told["chance"], told["rival"], told["rival_value"]) == (None, "the quadratic fit", 0.5)
    assert told["rule"] == "greater than that of the quadratic fit"
    told = _claim(f.greater_than_chance()).decide([0.9, 0.8, 0.85], [0.5]).to_dict()
    assert (told["chance"], told["rival"], told["rival_value"]) == (0.5, None, None)


def test_all_claims_of_a_study_are_corrected_together() -> None:
    # Of ten claims about nothing in each of twelve studies, decided ones that stay so are rare.
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(12):
        claims = [_claim(f.greater_than(0.0)).decide(rng.standard_normal(4)) for _ in range(10)]
        false += any(p <= 0.05 for p in f.adjusted_p(claims))
    assert binom.sf(false - 1, 12, 0.05) > 1e-3
    clear = [_claim(f.greater_than(0.0)).decide(1.0 + 0.01 * rng.standard_normal(5)) for _ in range(3)]
    corrected = f.adjusted_p([*clear, _claim(f.greater_than(0.0)).decide([1.0])])
    assert corrected[-1] is None and max(p for p in corrected if p is not None) < 1e-3
    # A claim whose opposite is shown is as sure.
    opposite = _claim(f.less_than(0.0)).decide(clear[0].values)
    assert f.adjusted_p([opposite]) == pytest.approx(f.adjusted_p(clear[:1]))
