"""tests/bench/detect/peers/peer_alibi.py    alibi-detect's TabularDrift (KS and chi-square, Bonferroni, p < .05)."""
import job
from alibi_detect.cd import KSDrift, TabularDrift


def methods(j):
    answer = {"flags": [], "score": []}
    categories = {i: None for i, kind in enumerate(j.kind) if kind == 2}
    for run in range(j.runs):
        reference = j.reference_rows(run)
        detector = TabularDrift(reference, p_val=0.05, categories_per_feature=categories) if categories else KSDrift(reference, p_val=0.05)
        flags, score = [], []
        for window in j.windows(run):
            data = detector.predict(window)["data"]
            flags.append(bool(data["is_drift"]))
            score.append(job.p_score(data["p_val"].min()))
        answer["flags"].append(flags)
        answer["score"].append(score)
    return {"alibi-detect": answer}


if __name__ == "__main__":
    job.main(methods)
