"""Mutants of the first plan: evidence that proves nothing places a column."""

from tests.mutants.mutant import Mutant

EVIDENCE = "tests/init/test_evidence.py"
FEAST = "tests/init/test_feast.py"
ORDERS = "tests/init/test_orders.py"

MUTANTS = [
    Mutant(
        "packed numbers that are alike are told apart",
        "scorer.init.packed:told",
        "explained[best].mean() < _EXPLAINED or not _alone(best, explained)",
        "explained[best].mean() < _EXPLAINED",
        EVIDENCE,
    ),
    Mutant(
        "whole numbers prove the order of packed numbers",
        "scorer.init.packed:told",
        "len(chosen) < len(numbers) or 2 * telling < len(numbers)",
        "len(chosen) < len(numbers)",
        EVIDENCE,
    ),
    Mutant(
        "an order of categories is placed that others fit as well",
        "scorer.init.orders:certain",
        "fit > _FIT or min(misfits.values()) < _WORSE * fit",
        "fit > 1000 * _FIT",
        EVIDENCE,
    ),
    Mutant(
        "an order is placed in which a text that is gone has shifted codes",
        "scorer.init.orders:_moved",
        "shares[list(between)].sum() >= _RARE",
        "False",
        EVIDENCE,
    ),
    Mutant(
        "categories that sample events lack are left out",
        "scorer.init.orders:certain",
        "not 1 < len(texts) <= _MOST or count != len(texts) or len(seen) < _SPLITS or set(symbols) - set(texts)",
        "len(seen) < _SPLITS",
        EVIDENCE,
    ),
    Mutant(
        "all events weigh the same in a logistic model",
        "scorer.init.orders:_Seen.by_code",
        "self.counts[texts] if self.weights is None else self.weights[texts, range(len(texts))]",
        "self.counts[texts]",
        ORDERS,
    ),
    Mutant(
        "an order is placed that is hardly more exact than another",
        "scorer.init.orders:certain",
        "max(misfits.pop(best), _EXACT)",
        "misfits.pop(best)",
        ORDERS,
    ),
    Mutant(
        "a formula is placed although another has its thresholds, too",
        "scorer.init.formulas:best",
        "most >= max(_FEWEST, _SHARE * len(said)) and next_ <= _RIVAL * most",
        "most >= max(_FEWEST, _SHARE * len(said))",
        EVIDENCE,
    ),
    Mutant(
        "whole numbers prove a formula",
        "scorer.init.formulas:telling",
        "np.array(splits, np.float32)[~common]",
        "np.array(splits, np.float32)",
        EVIDENCE,
    ),
    Mutant(
        "a join key of Feast is made from a field that sample events contradict",
        "scorer.init.templates:Templates._decided",
        "_against(by_name, good, tried)",
        "''",
        FEAST,
    ),
]
