"""Breaking pairs: each person stays as he was, only the bond goes."""

import numpy as np
import pytest
import torch

from dyadwatch.core.features.pair_frame import anchors
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.augment_window import augment, drop_joint
from dyadwatch.core.training.mismatched_pairs import PairSampler, ValidationKind, align, displaced, mirrored_path
from dyadwatch.core.training.training_data import CleanRecording

AT = anchors(UPPER11)
FRAMES = 10


def counting(unit: int, frames: int = 40) -> CleanRecording:
    """Joints that say when and who: x is the frame; y, and z in the room, the unit."""
    joints = np.zeros((frames, 2, 11, 3), np.float32)
    joints[..., 0] = np.arange(frames)[:, None, None]
    joints[:, 1, :, 1] = 1 + unit
    joints[..., 2] = 100 * unit
    return CleanRecording(joints, unit, f"r{unit}")


def sampler(count: int = 4, frames: int = 40, tempo: float = 0.0) -> PairSampler:
    return PairSampler([counting(i, frames) for i in range(count)], FRAMES, 15.0, AT, tempo)


def test_intact_windows_are_windows() -> None:
    s, rng = sampler(), np.random.default_rng(0)
    windows = s.read(s.draw(50, rng)[0])
    assert windows.shape == (50, 2, FRAMES, 11, 3)
    assert (np.diff(windows[..., 0], axis=2) == 1).all()
    assert (windows[:, 0, ..., 0] == windows[:, 1, ..., 0]).all()
    assert {0.0, 100.0, 200.0, 300.0} == set(np.unique(windows[..., 2]).tolist())


def test_tempo_reads_between_frames_and_stays_inside() -> None:
    s, rng = sampler(tempo=0.1, frames=12), np.random.default_rng(0)
    windows = s.read(s.draw(200, rng)[0])
    steps = np.diff(windows[..., 0], axis=2)
    assert steps.min() >= 0.9 - 1e-4
    assert steps.max() <= 1.1 + 1e-4
    assert steps.std() > 0.02
    assert windows[..., 0].max() <= 11


@pytest.mark.parametrize(("kind", "frames"), [(ValidationKind.SHIFTED_05_S, 7.5), (ValidationKind.SHIFTED_1_S, 15)])
def test_shifted_partner_lives_at_another_time(kind, frames):
    intact, broken = sampler().validation_set(kind, 60, seed=0)
    assert len(intact) == len(broken) > 20
    np.testing.assert_array_equal(broken[:, 0], intact[:, 0])
    assert np.unique(np.abs(broken[:, 1, ..., 0] - intact[:, 1, ..., 0])).tolist() == [frames]
    assert broken[..., 0].min() >= 0
    assert broken[..., 0].max() <= 39


def test_windows_too_short_to_shift_are_left_out() -> None:
    intact, broken = sampler(frames=12).validation_set(ValidationKind.SHIFTED_1_S, 60, seed=0)
    assert len(intact) == len(broken) == 0


def test_another_partner_is_of_another_unit_at_the_same_part() -> None:
    intact, broken = sampler().validation_set(ValidationKind.PARTNER, 80, seed=0)
    np.testing.assert_array_equal(broken[:, 0], intact[:, 0])
    assert (broken[:, 1, 0, 0, 1] != intact[:, 1, 0, 0, 1]).all()
    stood = broken[:, 1, 0, 0, 2] == 100 * (broken[:, 1, 0, 0, 1] - 1)
    assert 20 < stood.sum() < 60  # the others stand to person 0 as they stood to their own partner
    np.testing.assert_array_equal(broken[stood, 1, ..., 0], intact[stood, 1, ..., 0])


def test_training_batches_break_every_window_once() -> None:
    intact, broken = sampler().training_batch(128, np.random.default_rng(0))
    assert intact.shape == broken.shape == (128, 2, FRAMES, 11, 3)
    np.testing.assert_array_equal(intact[:, 0], broken[:, 0])
    changed = np.abs(intact[:, 1] - broken[:, 1]).max(axis=(1, 2, 3))
    assert (changed > 0).mean() > 0.97


def test_frozen_partner_stands_still() -> None:
    s, rng = sampler(), np.random.default_rng(0)
    frozen = s.frozen(s.draw(5, rng)[0], rng)
    assert (np.diff(frozen[:, 1], axis=1) == 0).all()
    assert (np.diff(frozen[:, 0, ..., 0], axis=1) == 1).all()


def bodies(seed: int, count: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w = rng.uniform(-0.4, 0.4, (count, 2, FRAMES, 11, 3)) + rng.uniform(-3, 3, (count, 1, 1, 1, 3))
    w[:, 1] += rng.uniform(-2, 2, (count, 1, 1, 3)) * [1, 0, 1]
    return w.astype(np.float32)


def test_displaced_moves_on_the_floor_by_as_much_as_said() -> None:
    w = bodies(0)
    out = displaced(w, np.full(6, 0.3), np.random.default_rng(0))
    step = (out - w)[:, 1, 0, 0]
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), 0.3, atol=1e-5)
    np.testing.assert_allclose(step[:, 1], 0, atol=1e-6)
    np.testing.assert_array_equal(out[:, 0], w[:, 0])


def test_aligned_pairs_keep_their_distances_and_stand_on_the_target() -> None:
    w, target = bodies(1), bodies(2)
    out = align(w, target, AT)
    distances = [np.linalg.norm(x[:, 0, :, :, None] - x[:, 1, :, None], axis=-1) for x in (w, out)]
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-4)
    middle = [x[:, :, :, 2].mean(axis=(1, 2))[:, [0, 2]] for x in (out, target)]
    np.testing.assert_allclose(middle[0], middle[1], atol=1e-4)
    lines = [np.diff(x[:, :, :, 2].mean(axis=2), axis=1)[:, 0][:, [0, 2]] for x in (out, target)]
    headings = [line / np.linalg.norm(line, axis=1, keepdims=True) for line in lines]
    np.testing.assert_allclose(headings[0], headings[1], atol=1e-3)
    np.testing.assert_allclose(out[..., 1], w[..., 1], atol=1e-5)


def test_a_mirrored_path_keeps_the_body() -> None:
    w = bodies(3)
    out = mirrored_path(w, AT)
    np.testing.assert_array_equal(out[:, 0], w[:, 0])
    body = [x[:, 1] - x[:, 1, :, [2]].transpose(1, 2, 0, 3) for x in (out, w)]
    np.testing.assert_allclose(body[0], body[1], atol=1e-4)
    np.testing.assert_allclose(mirrored_path(out, AT), w, atol=1e-3)


def test_every_validation_kind_can_be_made() -> None:
    for kind in ValidationKind:
        intact, broken = sampler().validation_set(kind, 30, seed=1)
        assert len(intact) == len(broken) > 0


def test_augmentation_swaps_mirrors_and_shakes() -> None:
    windows = torch.from_numpy(bodies(4, 64))
    generator = torch.Generator().manual_seed(0)
    swapped = augment(windows, generator)
    same = (swapped == windows).flatten(1).all(1)
    assert 10 < int(same.sum()) < 54
    torch.testing.assert_close(swapped[~same], windows[~same].flip(1))
    mirrored = augment(windows, generator, mirror=torch.tensor(UPPER11.mirror))
    torch.testing.assert_close(mirrored[..., 1].sum(), windows[..., 1].sum())
    noise = augment(windows, torch.Generator().manual_seed(0), noise_m=0.01) - swapped
    assert 0.009 < float(noise.std()) < 0.011


def test_people_grow_with_their_distance() -> None:
    windows = torch.from_numpy(bodies(4, 64))
    generator = torch.Generator().manual_seed(1)
    factor = (augment(windows, generator, scale=0.2) / windows).flatten(1)
    still = factor.std(1) < 1e-4  # the others were also swapped
    grown = factor[still].mean(1)
    assert 10 < int(still.sum()) < 54
    assert 0.8 <= float(grown.min()) < 0.9 < 1.1 < float(grown.max()) <= 1.2


def test_a_lost_joint_moves_in_a_straight_line_and_the_others_as_before() -> None:
    rng = np.random.default_rng(0)
    windows = torch.from_numpy(rng.normal(size=(50, 2, 30, 11, 3)).astype(np.float32))
    out = drop_joint(windows, torch.Generator().manual_seed(0))
    changed = (out != windows).any(-1)
    assert (changed.any(2).sum((1, 2)) == 1).all()  # one joint of one person
    frames = changed.any(3).any(1).sum(1)
    assert 1 <= int(frames.min()) <= 5 < 12 <= int(frames.max()) <= 14
    window, person, joint = (int(v) for v in changed.any(2).nonzero()[0])
    path, lost = out[window, person, :, joint], changed[window, person, :, joint].nonzero().flatten()
    bends = path[lost - 1] - 2 * path[lost] + path[lost + 1]
    torch.testing.assert_close(bends, torch.zeros_like(bends), atol=1e-5, rtol=0)


def test_joints_are_lost_as_often_as_asked_for() -> None:
    windows = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 2, 30, 11, 3)).astype(np.float32))
    whole, some = (augment(windows, torch.Generator().manual_seed(3), dropped=d) for d in (0.0, 0.25))
    assert 60 < int((whole != some).flatten(1).any(1).sum()) < 140
