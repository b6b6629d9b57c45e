"""Sentences on learning on site; nothing reads them back."""

from __future__ import annotations

from dyadwatch.core.words import counted
from dyadwatch.stream.learning.budget_table import BudgetTable
from dyadwatch.stream.learning.learning_codes import Origin, SiteState, TeachingOutcome
from dyadwatch.stream.learning.progress import LearnerProgress, Lesson
from dyadwatch.stream.learning.versions import Version

STATE: dict[SiteState, str] = {
    SiteState.LEARNING: "learning: nobody is judged, and there is no model to offer yet",
    SiteState.PROPOSED: "a model is proposed; nobody is judged until it is used",
    SiteState.WATCHING: "watching",
    SiteState.FIXED: "the configuration names a model (scorer.model); leave it empty to have the site learnt",
}
_HOW: dict[Origin, str] = {
    Origin.ENROLLED: "enrolled on {clips}",
    Origin.TRAINED: "trained on {clips}",
    Origin.TAUGHT: "version {on}, with {incidents} in what is normal",
    Origin.RECALIBRATED: "version {on}, with levels for {budget} from {hours:.1f} h that it judged",
    Origin.GIVEN: "a model file that was given",
}


def of_version(version: Version) -> str:
    """Where a version comes from, and what is known of its false alarms."""
    how = _HOW[version.how].format(
        clips=f"{counted(version.clips, 'clip')} of {version.minutes:.1f} minutes",
        on=version.on,
        incidents=counted(len(version.incidents), "false alarm"),
        budget=version.budget,
        hours=version.unseen_hours,
    )
    if version.how in (Origin.GIVEN, Origin.TAUGHT, Origin.RECALIBRATED):
        return how
    unseen = f"tried on {version.unseen_hours:.2f} h that it did not see"
    vouched = f"vouches for {version.budget}" if version.budget else "vouches for no budget yet"
    return f"{how}; {unseen}, {vouched}; would have raised {counted(version.events, 'alarm')} on what was heard"


def of_progress(progress: LearnerProgress) -> list[str]:
    """What was heard, source by source, and what is missing."""
    lines = [f"{h.source}: {h.minutes:.1f} minutes of {counted(h.pairs, 'pair')}" for h in progress.heard]
    more = progress.next_minutes - progress.minutes
    if more > 0:
        lines.append(f"the next model is proposed in {more:.1f} minutes of pairs")
    if progress.stale:
        lines.append(f"no longer as it was when the model was made: {', '.join(progress.stale)}; another is proposed")
    if progress.trouble is not None:
        lines.append(f"no model could be made: {progress.trouble_text}")
    return lines


def of_lesson(lesson: Lesson) -> str:
    """What became of a verdict."""
    match lesson.outcome:
        case TeachingOutcome.TAUGHT:
            return f"moments like it raise no alarm any more, from version {lesson.version} on"
        case TeachingOutcome.STILL_RAISES:
            return f"it is normal in version {lesson.version}, and would still be told: what is odd is how they relate"
        case TeachingOutcome.HIDES_TRUE:
            return f"nothing was changed: {', '.join(lesson.hidden)}, judged real, would not be told any more"
        case TeachingOutcome.NOT_RECORDED:
            return "nothing was changed: its skeletons are not recorded, or deleted by now"
        case TeachingOutcome.NO_MODEL:
            return "nothing was changed: no model of the site is in use"
        case TeachingOutcome.UNUSABLE:
            return "nothing was changed: its skeletons make no clip of two people"
        case TeachingOutcome.RENEWED:
            return f"version {lesson.version} is enrolled on all that was heard, false alarms among it, and in use"
        case TeachingOutcome.NOT_RENEWED:
            return (
                f"version {lesson.version}, enrolled on all that was heard, is only proposed: by it "
                f"{', '.join(lesson.hidden)}, judged real, would not be told any more"
            )


def of_budgets(table: BudgetTable) -> list[str]:
    """What is there now, and a line for each budget."""
    hours = f"{table.hours:.2f} h of {counted(len(table.sources), 'source')} judged by {table.model}"
    now = f"; {counted(table.events, 'alarm')} at the present levels" if table.curve else "; no pair was scored"
    lines = [hours + now]
    for offer in table.offers:
        if offer.level is None or offer.per_hour_95 is None:
            lines.append(f"{offer.budget}: {offer.hours_missing:.1f} h are missing")
            continue
        changes = f"{offer.stay.count} stay, {offer.go.count} go, {offer.come.count} come"
        bound = f"{counted(offer.events, 'event')} left, at most {offer.per_hour_95:.3g} an hour (95 % sure)"
        lines.append(f"{offer.budget}: {offer.level:.2f} times the present levels; {bound}; {changes}")
    return lines
