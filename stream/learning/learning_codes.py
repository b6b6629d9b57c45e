"""What learning on site tells, as codes; the page and `learning_words` make sentences of them."""

from __future__ import annotations

from enum import StrEnum


class SiteState(StrEnum):
    """How far a site is."""

    LEARNING = "learning"  # nobody is judged, and there is no model to offer yet
    PROPOSED = "proposed"  # a first model waits for somebody to use it; nobody is judged
    WATCHING = "watching"  # a model of the site judges
    FIXED = "fixed"  # the configuration names a model, so that none of the site's own is asked for


class Origin(StrEnum):
    """How a version came about."""

    ENROLLED = "enrolled"  # from recorded clips, without training
    TRAINED = "trained"  # by `dyadwatch train`, on what was recorded
    TAUGHT = "taught"  # an earlier version, to which false alarms are normal now
    RECALIBRATED = "recalibrated"  # an earlier version, with the levels of another budget
    GIVEN = "given"  # a model file that somebody brought


class Doing(StrEnum):
    """What the learner does just now."""

    LISTENING = "listening"
    PROPOSING = "proposing"  # makes a model of what it heard, and tries it on the rest
    TEACHING = "teaching"  # makes a false alarm normal
    TRAINING = "training"


class LearnerTrouble(StrEnum):
    """Why nothing could be proposed."""

    NOT_RECORDED = "not_recorded"  # no recordings are made
    UNUSABLE = "unusable"  # what was recorded makes no model
    FAILED = "failed"  # the learner itself failed


class TeachingOutcome(StrEnum):
    """What became of a false alarm that somebody judged."""

    TAUGHT = "taught"  # moments like it raise no alarm any more
    STILL_RAISES = "still_raises"  # it is normal now, and yet would be told again
    HIDES_TRUE = "hides_true"  # nothing was changed: a verified incident would not be told any more
    NOT_RECORDED = "not_recorded"  # its skeletons are not there
    NO_MODEL = "no_model"  # no model of the site judged it
    UNUSABLE = "unusable"  # its skeletons make no clip
    RENEWED = "renewed"  # after verdicts, another model was enrolled on all that was heard, and is in use
    NOT_RENEWED = "not_renewed"  # it is only proposed: by it a verified incident would not be told any more
