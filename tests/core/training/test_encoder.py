"""The encoder's training: it learns, it can be stopped, it repeats."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training import encoder
from dyadwatch.core.training.checkpoint import Checkpoint, identity
from dyadwatch.core.training.encoder import broken_logits, encoder_config, pooled_features, train_encoder
from dyadwatch.core.training.material import Material, gather
from dyadwatch.core.training.mismatched_pairs import PairSampler
from dyadwatch.core.training.options import Progress, TrainOptions, silent
from dyadwatch.core.training.time_budget import Budget

SMALL = TrainOptions(window_s=0.8, hop=4, steps=30, batch=16, width=8, units=1, tempo=0.0)


@pytest.fixture(scope="module")
def material(few_clips: ClipSet) -> Material:
    found = gather([few_clips], SMALL)
    few = {kind: (intact[:8], broken[:8]) for kind, (intact, broken) in found.broken.items()}
    return replace(found, broken=few)


@pytest.fixture(scope="module")
def learn(material: Material):
    return partial(train_encoder, material.train, material.broken, UPPER11)


class Obvious(PairSampler):
    """Breaks a pair so that a few steps are enough to see it: person 1 flies."""

    def training_batch(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        intact = self.read(self.draw(count, rng)[0])
        broken = intact.copy()
        broken[:, 1, ..., 1] += 1
        return intact, broken


def test_broken_pairs_become_suspect(material: Material) -> None:
    sampler = Obvious(material.prepared.recordings, 12, 15.0, material.statistics.at)
    network, looks = train_encoder(sampler, material.broken, UPPER11, replace(SMALL, steps=60), silent)
    assert looks[0].loss == pytest.approx(np.log(2), abs=0.02)
    assert looks[-1].loss < 0.3
    intact, broken = sampler.training_batch(32, np.random.default_rng(9))
    assert broken_logits(network, broken).min() > broken_logits(network, intact).max()
    assert not network.training


def test_it_looks_ten_times_and_at_the_end(learn, material: Material) -> None:
    _, looks = learn(replace(SMALL, steps=21), silent)
    assert [look.step for look in looks] == [3, 6, 9, 12, 15, 18, 21]
    assert all(look.auroc.keys() == material.broken.keys() for look in looks)
    assert all(look.spread > 0 for look in looks)
    assert all(0 <= value <= 1 for look in looks for value in look.auroc.values())


def ticking(seconds: float = 1.0):
    """A clock that is `seconds` later each time somebody looks."""
    return map(seconds.__mul__, count()).__next__


def test_a_budget_takes_fewer_steps_and_ends_annealed(learn) -> None:
    told: list[Progress] = []
    budget = Budget(1.0, ticking())
    _, looks = learn(replace(SMALL, steps=5000), told.append, budget=budget, kept_back_s=20.0)
    schedule = budget.schedules["encoder"]
    assert schedule.steps == 5000
    assert 10 < schedule.taken < 45
    assert schedule.last_rate == pytest.approx(2e-3 / 25 / 1e4, rel=1e-3)  # the end of the one-cycle rate
    assert (told[-1].done, looks[-1].step) == (5000, 5000)
    assert len(looks) <= 10
    assert budget.used <= 60


def test_a_budget_with_room_changes_nothing(learn) -> None:
    budget = Budget(1e6, ticking())
    network, looks = learn(SMALL, silent, budget=budget)
    whole, all_looks = learn(SMALL, silent)
    assert looks == all_looks
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), whole.parameters(), strict=True))
    assert budget.schedules["encoder"].taken == 30


def test_a_budget_that_is_used_up_leaves_the_encoder_a_tenth(learn) -> None:
    budget = Budget(1.0, ticking(), began=-100.0)
    assert budget.left == 0
    learn(replace(SMALL, steps=5000), silent, budget=budget)
    assert 3 <= budget.schedules["encoder"].taken <= 7  # 6 s by a clock of a second a look


def test_the_same_seed_repeats_and_the_callers_randomness_stays(learn) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (learn(replace(SMALL, steps=3, seed=seed), silent)[0].state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_no_windows_no_logits(learn) -> None:
    network, _ = learn(replace(SMALL, steps=1), silent)
    assert broken_logits(network, np.zeros((0, 2, 12, 11, 3), np.float32)).shape == (0,)
    forth, back = pooled_features(network, np.random.default_rng(0).normal(size=(3, 2, 12, 11, 3)).astype(np.float32))
    assert forth.shape == back.shape == (3, network.config.pooled)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [({"relations": False}, "relations", False), ({"position": "sinusoidal"}, "position", "sinusoidal")],
)
def test_ablations_reach_the_network(change, key, value) -> None:
    assert getattr(encoder_config(UPPER11, replace(SMALL, **change)), key) == value


def test_a_width_that_heads_do_not_divide_is_told() -> None:
    with pytest.raises(TrainingError, match="width"):
        encoder_config(UPPER11, replace(SMALL, width=10))


class StoppedError(Exception):
    """Somebody pulled the plug."""


def stopping_at_or_after(step: int):
    def listen(progress: Progress) -> None:
        if progress.stage == "encoder" and progress.done >= step and "gone on from step" not in progress.values:
            raise StoppedError

    return listen


def stopping_at(step: int):
    def listen(progress: Progress) -> None:
        if progress.stage == "encoder" and progress.done == step:
            raise StoppedError

    return listen


def test_a_run_gone_on_from_counts_what_was_used(learn, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(encoder, "_SAVE_EVERY_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "m.checkpoint.npz", "a run")
    first = Budget(1.0, ticking())
    with pytest.raises(StoppedError):
        learn(replace(SMALL, steps=500), stopping_at_or_after(250), checkpoint, budget=first)
    used = checkpoint.used_s()
    assert 0 < used <= first.used
    second = Budget(1.0, ticking())
    second.before = used
    learn(replace(SMALL, steps=500), silent, checkpoint, budget=second)
    assert used < second.used <= 72  # a fifth more, as this clock runs on at every look
    schedule = second.schedules["encoder"]
    assert schedule.last_rate == pytest.approx(2e-3 / 25 / 1e4, rel=1e-3)
    assert schedule.taken < 60


def test_a_stopped_run_goes_on_and_ends_as_it_would_have(learn, material: Material, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(encoder, "_SAVE_EVERY_S", 0.0)
    checkpoint = Checkpoint(tmp_path / "m.checkpoint.npz", identity(material.prepared.recordings, SMALL))
    options = replace(SMALL, steps=40)
    with pytest.raises(StoppedError):
        learn(options, stopping_at(20), checkpoint)
    heard: list[Progress] = []
    network, looks = learn(options, heard.append, checkpoint)
    assert heard[0] == Progress("encoder", 19, 40, {"gone on from step": 19.0})
    whole, all_looks = learn(options, silent)
    assert looks == all_looks
    for ours, theirs in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    checkpoint.remove()
    assert not checkpoint.path.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "other run", "foreign"])
def test_a_checkpoint_that_does_not_fit_is_left_alone(learn, tmp_path, monkeypatch, damage) -> None:
    monkeypatch.setattr(encoder, "_SAVE_EVERY_S", 0.0)
    path = tmp_path / "m.checkpoint.npz"
    options = replace(SMALL, steps=20)
    with pytest.raises(StoppedError):
        learn(options, stopping_at(10), Checkpoint(path, "a run"))
    content = path.read_bytes()
    if damage in ("cut", "empty"):
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    elif damage == "foreign":
        np.savez(path, document=np.frombuffer(b"[]", np.uint8))
    heard: list[Progress] = []

    def listen(progress: Progress) -> None:
        heard.append(progress)
        raise StoppedError  # what it begins with is all that is asked

    with pytest.raises(StoppedError):
        learn(options, listen, Checkpoint(path, "another" if damage == "other run" else "a run"))
    assert heard[0].done == 10
    assert "gone on from step" not in heard[0].values


def test_other_clips_or_options_are_another_run(material: Material) -> None:
    recordings = material.prepared.recordings
    assert identity(recordings, SMALL) == identity(recordings, replace(SMALL, max_minutes=3.0))
    assert identity(recordings, SMALL) != identity(recordings, replace(SMALL, steps=31))
    moved = replace(recordings[0], joints=recordings[0].joints + 1)
    assert identity(recordings, SMALL) != identity([moved, *recordings[1:]], SMALL)
