"""Which joints explain an incident: what is lit wherever its people are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from dyadwatch.core.skeletons.limbs import limb_of
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.messages import IncidentMessage


class Guilty(Struct, frozen=True, kw_only=True):
    """Joints that explain the alarm, as positions."""

    person: TrackId
    joints: tuple[int, ...]


def guilty_joints(message: IncidentMessage, joints: Sequence[str]) -> tuple[Guilty, ...]:
    """The limb that explains the leading pair; without one the joints that contribute most to it."""
    if not message.pairs:
        return ()
    pair = message.pairs[0]
    if pair.limb is not None:
        limb = pair.limb.limb
        lit = tuple(i for i, joint in enumerate(joints) if limb_of(joint) is limb)
        return (Guilty(person=pair.limb.person, joints=lit),)
    index = {joint: i for i, joint in enumerate(joints)}
    first = tuple(dict.fromkeys(index[j.first] for j in pair.joints if j.first in index))
    second = tuple(dict.fromkeys(index[j.second] for j in pair.joints if j.second in index))
    return (Guilty(person=pair.pair[0], joints=first), Guilty(person=pair.pair[1], joints=second))
