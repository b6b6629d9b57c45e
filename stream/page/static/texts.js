// All that the page says, in every language it speaks. A test checks that no key is missing in one of them.

export const TEXTS = {
  en: {
    language: "English",
    skip: "Skip to content",
    live: "Live", incidents: "Incidents", sources: "Sources", incident: "Incident", near_misses: "Near misses",
    learning: "Learning", learning_help: "Skeletons are recorded, a model of them is proposed, and somebody decides to use it.",
    site_learning: "Learning: nobody is judged", site_proposed: "A model is ready: nobody is judged until it is used", site_watching: "Watching by version {n}", site_fixed: "The configuration names a model. Leave scorer.model empty to have this site learnt.",
    learner_gone: "No learner is running; dyadwatch up starts one.", doing_listening: "listening", doing_proposing: "making a model …", doing_teaching: "learning from verdicts …", doing_training: "training …",
    heard: "Heard so far", heard_of: "{minutes} min of {n} pairs", heard_one: "{minutes} min of 1 pair", heard_nothing: "Nobody has been near anybody else yet.", until_next: "The next model is proposed in {minutes} min of pairs.", until_first: "{minutes} min of pairs make a first model; {heard} min heard.",
    proposal: "Proposed: version {n}", use_it: "Use it", propose_now: "Propose now", asked: "Asked for; it takes some seconds.", go_back: "Back to version {n}", go_back_none: "Back to learning",
    would_be: "It would have raised {n} alarms on what was heard", would_be_one: "It would have raised 1 alarm on what was heard", would_be_none: "It would have raised no alarm on what was heard", of_alarm: "{percent} % of an alarm",
    budget: "Vouches for", budget_none: "no budget yet: half an hour that it did not see vouches for 6 an hour", unseen: "Tried on, unseen", hours_of: "{h} h", clips_of: "{clips} clips of {minutes} min", made_of: "Made of", made: "Made",
    versions: "Versions", version: "Version {n}", in_use: "in use", proposed: "proposed", use_version: "Use version {n}", no_versions: "There is none yet.",
    budget_title: "False alarms: try a budget", try_help: "More alarms or fewer, tried on what the model in use judged. Nothing changes before somebody uses it.", budget_label: "False alarms", try_budgets: "Try it",
    at_most: "at most {n} {unit}", at_most_one: "at most 1 {unit}", per_hour: "an hour", per_day: "a day", per_week: "a week",
    look_back: "Hours to try it on", one_day_back: "last day", days_back: "last {n} days", reading_scores: "Reading what was recorded …",
    budget_hours: "{h} h judged by {model}.", present_alarms: "Alarms at the present levels: {n}; at most {most} an hour, 95 % sure.", no_pair_scored: "Nobody was near anybody else.", real_left_out: "Incidents that people judged real are not counted: {n}.",
    hours_short: "To vouch for that, {h} h more must be judged without an alarm.", offer_level: "{level} times the present levels.", offer_left: "Alarms left: {n}; at most {most} an hour, 95 % sure.", real_go: "Of those that go, people judged real: {n}.",
    alarms_come: "Alarms that come: {n}", alarms_go: "Alarms that go: {n}", alarms_stay: "Alarms that stay: {n}", strongest: "The strongest {n}:",
    curve_label: "Alarms in these hours at each level: {n} at the present one, {events} at {level} times that.", budget_fixed: "{key} of the configuration decides here, so that none can be used from the page.", use_budget: "Use: {budget}", judged_hours: "Tried on", origin_recalibrated: "version {n} with other levels",
    origin_enrolled: "enrolled, without training", origin_trained: "trained", origin_taught: "version {n} and verdicts", origin_given: "a file that was given",
    settings: "Settings", settings_help: "What is changed here is checked first, put into the configuration file, and taken up by the detector: all of it or nothing.", settings_look: "To change settings takes an admin.",
    settings_file: "File:", settings_find: "Find a setting", settings_none_found: "No setting fits.", settings_differ: "Unlike the default", settings_all_default: "Everything is as by default.",
    settings_not_kept: "Nothing can be changed here: the detector and this page have no folder in common. Start both with the same memory.file.", settings_not_heard: "Nothing can be changed here now: the detector does not answer.", settings_no_file: "Nothing can be changed here: the detector was started without a file. Start it with --config FILE, or with dyadwatch up.", settings_unreadable: "Nothing can be changed here: the configuration file cannot be used.",
    settings_unread: "The file was changed since the detector read it. What you apply takes that up, too.",
    settings_apply: "Apply", settings_discard: "Discard", settings_one: "1 change", settings_many: "{n} changes", settings_applying: "The detector checks it …",
    settings_done: "Applied.", settings_done_waits: "Applied; {waits} of {n} wait for a restart.", settings_nothing: "Nothing differs from before.", settings_not_kept_change: "It could not be kept who changed it.", settings_wrong: "nothing was changed, see beside the settings", settings_meanwhile: "Nothing was changed: somebody else changed the file meanwhile. Look at what is there now, and apply again.",
    settings_changes: "Last changes", settings_no_changes: "Nothing was changed yet.", settings_levels: "other thresholds",
    setting_live: "at once", setting_restart: "after a restart", setting_fixed: "set by the command line", setting_waits: "waits for a restart; until then {value}", setting_reset: "Use the default", setting_default: "Default: {value}", setting_hidden: "for admins only", setting_none: "none", setting_empty: "empty", setting_true: "yes", setting_false: "no", setting_json: "This is no JSON; expected a value such as [\"hall\"] or {}.",
    stale: "No longer as it was when the model was made: {sources}. Another is proposed.",
    trouble: "No model could be made: {why}", trains_no: "Training is not installed here. To train on more than a few clips:",
    lessons: "False alarms that were judged", no_lessons: "Judge an incident a false alarm, and moments like it raise no alarm any more.",
    lesson_taught: "moments like it raise no alarm any more, from version {n} on", lesson_still_raises: "normal in version {n}, and would still be told: what is odd is how they relate", lesson_hides_true: "nothing was changed: {hidden}, judged real, would not be told any more", lesson_not_recorded: "nothing was changed: its skeletons are not recorded", lesson_no_model: "nothing was changed: no model of the site is in use", lesson_unusable: "nothing was changed: its skeletons make no clip of two people",
    lesson_renewed: "version {n} is enrolled on all that was heard, false alarms among it, and in use", lesson_not_renewed: "version {n}, enrolled on all that was heard, is only proposed: {hidden}, judged real, would not be told any more by it",
    calm: "All calm", unwatched_one: "{source} is not watched", unwatched_many: "{n} sources are not watched", open_one: "1 open incident", open_many: "{n} open incidents",
    theme: "Dark or light", logout: "Log out", other_language: "Deutsch",
    server_lost: "The server does not answer. What you see is {s} s old; it is tried again.",
    detector_lost: "The page works, but the detector does not answer: nothing is being watched.",
    login: "Log in", token: "Token", login_help: "Open a link that `dyadwatch page link` prints on the detector's machine, or enter your token.",
    login_failed: "That link has been used or has expired. Print another one with `dyadwatch page link`.",
    loading: "Loading …",
    failed: "That did not work: {why}",
    no_sources: "No source has sent anything yet.", no_sources_help: "Start one, such as `dyadwatch publish simulator`, or see Sources for how to send poses from your own program.",
    no_scenes: "The detector tells no poses: start it with `dyadwatch up`, or set sinks.people in its configuration.",
    full: "{source}: large", back: "Back", back_live: "Back to all sources",
    view_of: "Skeletons of the people in {source}. Arrow keys turn the view, plus and minus zoom.",
    strip_of: "How near an alarm {source} was in the last minute; now {value} of 1",
    threshold: "alarm",
    people_one: "1 person", people_many: "{n} people",
    state_watching: "Watching", state_behind: "Late", state_blind: "Blind", state_silent: "Silent", state_learning: "Learning", state_alarm: "Look here",
    severity_notice: "Notice", severity_alarm: "Alarm", severity_critical: "Critical",
    status_open: "open", status_closed: "closed", acknowledged: "acknowledged", acknowledged_by: "acknowledged by {who}", snoozed: "snoozed until {time}",
    verdict_true: "real", verdict_false: "false alarm", verdict_unsure: "unsure", verdict_none: "not judged",
    about_source_silent: "Source silent", about_source_missing: "Source missing", about_source_blind: "Source blind",
    filter_source: "Source", filter_severity: "At least", filter_verdict: "Judged", filter_time: "Time", any: "any",
    last_day: "last 24 hours", last_week: "last 7 days", last_month: "last 30 days", all_time: "all",
    only_open: "open only", only_unacknowledged: "not acknowledged",
    none_found: "No incident fits.", no_near_misses: "Nothing came near to an alarm.",
    days: "Incidents by day", day_count: "{day}: {n}",
    near_miss_text: "{pair}: {percent} % of what raises an alarm",
    days_and_weeks: "Days", week: "Week", this_week: "Last 7 days", week_before: "7 days before", day_before: "Day before", day_after: "Day after",
    hours_watched: "Hours watched", judged_false: "Judged false", of_budget: "{n} of {budget}", day_sum: "Incidents: {n}. Judged false, of what the budget allows: {wrong}.",
    budget_help: "Judged false: of the false alarms that the calibration vouches for in the hours watched.", nothing_watched: "Nothing was watched.",
    hours_watching: "watched {h} h", hours_learning: "learning {h} h", hours_blind: "blind {h} h", hours_silent: "silent {h} h", hours_none: "not watched", blind_for: "{why} {h} h",
    legend_watching: "watched", legend_learning: "learning", legend_blind: "blind", legend_silent: "silent", legend_off: "nobody watched",
    push_title: "Notifications on devices", push_here: "Tell me on this device", push_on: "This device is told", push_end: "No longer on this device", push_added: "Told here from now on, whether a page is open or not.",
    push_blocked: "Notifications of this page are blocked in this browser; allow them in its settings for this site.", push_unable: "This browser takes no push messages. On iPhone and iPad, put the page on the home screen first.",
    push_insecure: "Devices are told over https alone, or at localhost: see page.certificate.", push_unreached: "The browser could not reach its maker's push service: {why}",
    push_devices: "{n} devices are told", push_device_one: "1 device is told", this_device: "this device", push_remove: "Remove", push_since: "since {time}", push_least_notice: "everything", push_least_alarm: "alarms", push_least_critical: "critical alone",
    push_succeeded: "last taken by its push service {time}", push_failed: "failed {time}: {why}", push_unused: "nothing sent yet",
    timeline: "Last 24 hours", timeline_of: "{n} incidents in the last 24 hours, by severity",
    pair: "{a} and {b}",
    play: "Play", pause: "Pause", speed: "Speed", scrubber: "Moment of the clip", at_second: "{s} s", begins: "it begins",
    no_clip: "There is no clip: {why}",
    lacks_no_recording: "nothing is recorded; set record.folder", lacks_not_recorded: "nobody was recorded at that time, or it is deleted by now", lacks_unreadable: "the recording cannot be read",
    lacks_no_pair: "it is about the source itself, not about people", lacks_unseen: "too little of the pair is seen at the peak to be compared", lacks_no_calm: "no calm moment of two people is recorded in the day before it",
    lacks_gave_up: "none was found in time; not all of the day before was searched", lacks_no_film: "films need Pillow and ffmpeg, which are not installed there",
    save_as: "Save as a file", making: "Making it …", made_file: "Saved as {name}",
    file_mp4: "Film", file_help_mp4: "MP4: drawn skeletons with the score below", file_mcap: "Recording", file_help_mcap: "MCAP: what was recorded; replays, is judged again, opens in Foxglove",
    file_clips: "Arrays", file_help_clips: "Zip with NumPy arrays of each pair, clips.npz", file_jsonl: "JSON lines", file_help_jsonl: "A line for each frame, as dyadwatch publish jsonl reads it",
    this_incident: "This incident", normal: "What normal looks like", normal_of: "{a} and {b}, {time}: the most like it of {n} calm windows, at most {percent} % of an alarm; moved and turned to stand the same.",
    normal_view: "Skeletons of a calm moment of the same source, the one most like the incident.", normal_wait: "Looking for a normal moment to show beside it …", no_normal: "Nothing normal to show beside it: {why}",
    clip_view: "Skeletons of the incident; the limbs that explain it are red. Arrow keys turn the view.",
    curve_of: "How near an alarm the pair was during the clip; 1 raises one",
    acknowledge: "Acknowledge", snooze: "Snooze 30 min", end_snooze: "End snooze",
    was: "What was it?", real: "Real", false_alarm: "False alarm", unsure: "Unsure",
    note: "Note", save_note: "Save note", copy_link: "Copy link", copied: "Copied",
    previous: "Newer", next: "Older",
    keys_help: "Keys: space plays, ← → step, A acknowledges, S snoozes, T real, F false alarm, U unsure, N note, J older, K newer.",
    history: "What happened", pairs: "Pairs", pair_line: "{a} and {b}: {why}",
    saved: "Saved", may_not: "Your token may look only.",
    warning_doubtful: "The bodies looked odd while it was scored.",
    when: "When", lasted: "{s} s", still: "still going on", since: "since {time}",
    action_acknowledge: "acknowledged", action_snooze: "snoozed until {time}", action_snooze_end: "snooze ended", action_note: "noted", action_verdict: "judged: {verdict}",
    by: "by {who}",
    rate: "Frames a second", frames: "Frames", windows: "Windows scored", pairs_now: "Pairs near each other", people_now: "People", late: "Late by", offset: "Clock differs by",
    dropped: "Not used", findings: "Findings", no_findings: "Nothing is wrong with it.",
    snooze_source: "Snooze {source} 30 min",
    publish: "Send poses from your own program", copy: "Copy", publish_help: "Each frame is one ZeroMQ message of three parts to {address}. In Python:",
    or_ready: "Or with what is ready:",
    recording: "Recording", memory: "Memory", detector: "Detector", model: "Model",
    blind_nobody: "nobody in view", blind_one_person: "one person in view", blind_filling: "beginning to watch", blind_silent: "nothing comes",
    blind_expected: "expected, but has not come", blind_joints_hidden: "joints out of sight", blind_overload: "too much to score", blind_frozen: "the picture stands still",
    blind_turned: "people lie on their side: wrong axes?", blind_upside_down: "people stand on their heads: wrong axes?", blind_absurd_size: "people of an impossible size: wrong unit?",
    blind_joints_misnamed: "no body has such limbs: wrong joint names?", blind_flat: "positions in an image, without a depth?",
    blind_layout_unfit: "the joints do not fit the model", blind_refused: "what it sends is refused", blind_nothing_sent: "no source has sent anything yet",
    why_relation: "{a} and {b} did not answer each other's movements as normal pairs do",
    why_timing: "{a} and {b} were out of step: a fifth of a second earlier or later one would fit the other",
    why_fast: "{joint} of {me} moved at {speed} m/s, {distance} m from the {toward} of {other}; normal is below {usual} m/s",
    why_near: "{joint} of {me} came within {distance} m of the {toward} of {other}; normal is {usual} m or more",
    why_far: "{joint} of {me} stayed {distance} m from the {toward} of {other}; normal is within {usual} m",
    why_place: "{limb} of {me} was not where normal pairs have it: {joint} off by {off} m",
    reason_opened: "it began", reason_pair_joined: "another pair belongs to it", reason_resumed: "it went on after a pause", reason_severity_rose: "it became graver", reason_absorbed: "another incident turned out to be part of it", reason_calm_again: "nothing more happened", reason_merged: "it turned out to be part of another incident", reason_back: "the source is back", reason_clock_step: "the clock of the source was set", reason_merge_changed: "the source joined its group or left it", reason_station_failed: "the detector failed on a frame", reason_source_forgotten: "the source was silent for too long", reason_end_of_stream: "the frames have ended", reason_shutdown: "the detector was stopped", reason_interrupted: "the detector ended while it was open",
    left: "left", right: "right", head: "head", neck: "neck", arm: "arm", leg: "leg", trunk: "trunk", wrist: "wrist", hand: "hand", elbow: "elbow", shoulder: "shoulder", hip: "hip", knee: "knee", ankle: "ankle", foot: "foot", pelvis: "pelvis", nose: "nose", torso: "torso", chest: "chest",
  },
  de: {
    language: "Deutsch",
    skip: "Zum Inhalt",
    live: "Live", incidents: "Vorfälle", sources: "Quellen", incident: "Vorfall", near_misses: "Beinahe",
    learning: "Lernen", learning_help: "Skelette werden aufgenommen, ein Modell davon wird vorgeschlagen, und jemand entscheidet, ob es gilt.",
    site_learning: "Lernt: Niemand wird beurteilt", site_proposed: "Ein Modell ist da: Niemand wird beurteilt, bis es gilt", site_watching: "Wacht mit Fassung {n}", site_fixed: "Die Konfiguration nennt ein Modell. Lassen Sie scorer.model leer, damit dieser Ort gelernt wird.",
    learner_gone: "Niemand lernt gerade; dyadwatch up startet das.", doing_listening: "hört zu", doing_proposing: "macht ein Modell …", doing_teaching: "lernt aus Urteilen …", doing_training: "trainiert …",
    heard: "Bisher gehört", heard_of: "{minutes} min von {n} Paaren", heard_one: "{minutes} min von 1 Paar", heard_nothing: "Noch war niemand jemandem nahe.", until_next: "Das nächste Modell wird nach {minutes} min von Paaren vorgeschlagen.", until_first: "{minutes} min von Paaren ergeben ein erstes Modell; {heard} min sind gehört.",
    proposal: "Vorgeschlagen: Fassung {n}", use_it: "Verwenden", propose_now: "Jetzt vorschlagen", asked: "Angefragt; es dauert einige Sekunden.", go_back: "Zurück zu Fassung {n}", go_back_none: "Zurück zum Lernen",
    would_be: "Sie hätte {n} Alarme ausgelöst bei dem, was gehört wurde", would_be_one: "Sie hätte 1 Alarm ausgelöst bei dem, was gehört wurde", would_be_none: "Sie hätte keinen Alarm ausgelöst bei dem, was gehört wurde", of_alarm: "{percent} % eines Alarms",
    budget: "Bürgt für", budget_none: "noch kein Budget: eine halbe Stunde, die sie nicht sah, bürgt für 6 in der Stunde", unseen: "Geprüft an Ungesehenem", hours_of: "{h} h", clips_of: "{clips} Clips aus {minutes} min", made_of: "Gemacht aus", made: "Gemacht",
    versions: "Fassungen", version: "Fassung {n}", in_use: "gilt", proposed: "vorgeschlagen", use_version: "Fassung {n} verwenden", no_versions: "Noch gibt es keine.",
    budget_title: "Fehlalarme: ein Maß ausprobieren", try_help: "Mehr oder weniger Alarme, ausprobiert an dem, was das geltende Modell beurteilt hat. Es ändert sich nichts, bevor es jemand gelten lässt.", budget_label: "Fehlalarme", try_budgets: "Ausprobieren",
    at_most: "höchstens {n} {unit}", at_most_one: "höchstens 1 {unit}", per_hour: "in der Stunde", per_day: "am Tag", per_week: "in der Woche",
    look_back: "Woran es ausprobiert wird", one_day_back: "letzter Tag", days_back: "letzte {n} Tage", reading_scores: "Liest, was aufgenommen wurde …",
    budget_hours: "{h} h beurteilt von {model}.", present_alarms: "Alarme bei den jetzigen Schwellen: {n}; höchstens {most} in der Stunde, zu 95 % sicher.", no_pair_scored: "Niemand war in der Nähe eines anderen.", real_left_out: "Als echt beurteilte Vorfälle zählen nicht mit: {n}.",
    hours_short: "Um dafür zu bürgen, müssen {h} h mehr ohne Alarm beurteilt werden.", offer_level: "Das {level}-Fache der jetzigen Schwellen.", offer_left: "Übrige Alarme: {n}; höchstens {most} in der Stunde, zu 95 % sicher.", real_go: "Von denen, die wegfallen, als echt beurteilt: {n}.",
    alarms_come: "Alarme, die hinzukommen: {n}", alarms_go: "Alarme, die wegfallen: {n}", alarms_stay: "Alarme, die bleiben: {n}", strongest: "Die stärksten {n}:",
    curve_label: "Alarme in diesen Stunden bei jeder Schwelle: {n} bei der jetzigen, {events} beim {level}-Fachen.", budget_fixed: "Hier entscheidet {key} in der Konfiguration; von der Seite aus lässt sich keines verwenden.", use_budget: "Verwenden: {budget}", judged_hours: "Ausprobiert an", origin_recalibrated: "Fassung {n} mit anderen Schwellen",
    origin_enrolled: "aus Clips, ohne Training", origin_trained: "trainiert", origin_taught: "Fassung {n} und Urteile", origin_given: "eine Datei, die jemand gab",
    settings: "Einstellungen", settings_help: "Was hier geändert wird, wird zuerst geprüft, dann in die Konfigurationsdatei geschrieben und vom Detektor übernommen: alles oder nichts.", settings_look: "Um Einstellungen zu ändern, braucht es die Rolle admin.",
    settings_file: "Datei:", settings_find: "Einstellung suchen", settings_none_found: "Keine Einstellung passt.", settings_differ: "Anders als die Vorgabe", settings_all_default: "Alles ist wie vorgegeben.",
    settings_not_kept: "Hier lässt sich nichts ändern: Detektor und Seite haben keinen gemeinsamen Ordner. Starten Sie beide mit demselben memory.file.", settings_not_heard: "Hier lässt sich gerade nichts ändern: der Detektor antwortet nicht.", settings_no_file: "Hier lässt sich nichts ändern: der Detektor wurde ohne Datei gestartet. Starten Sie ihn mit --config DATEI oder mit dyadwatch up.", settings_unreadable: "Hier lässt sich nichts ändern: die Konfigurationsdatei ist nicht zu gebrauchen.",
    settings_unread: "Die Datei wurde geändert, seit der Detektor sie las. Was Sie anwenden, übernimmt auch das.",
    settings_apply: "Anwenden", settings_discard: "Verwerfen", settings_one: "1 Änderung", settings_many: "{n} Änderungen", settings_applying: "Der Detektor prüft es …",
    settings_done: "Angewendet.", settings_done_waits: "Angewendet; {waits} von {n} warten auf einen Neustart.", settings_nothing: "Nichts ist anders als zuvor.", settings_not_kept_change: "Wer es änderte, ließ sich nicht festhalten.", settings_wrong: "nichts wurde geändert, siehe bei den Einstellungen", settings_meanwhile: "Nichts wurde geändert: jemand anders hat die Datei inzwischen geändert. Sehen Sie nach, was jetzt darin steht, und wenden Sie es noch einmal an.",
    settings_changes: "Letzte Änderungen", settings_no_changes: "Noch wurde nichts geändert.", settings_levels: "andere Schwellen",
    setting_live: "sofort", setting_restart: "nach einem Neustart", setting_fixed: "von der Befehlszeile gesetzt", setting_waits: "wartet auf einen Neustart; bis dahin {value}", setting_reset: "Vorgabe nehmen", setting_default: "Vorgabe: {value}", setting_hidden: "nur für admins", setting_none: "keine", setting_empty: "leer", setting_true: "ja", setting_false: "nein", setting_json: "Das ist kein JSON; erwartet wird ein Wert wie [\"hall\"] oder {}.",
    stale: "Nicht mehr so, wie es war, als das Modell gemacht wurde: {sources}. Ein anderes wird vorgeschlagen.",
    trouble: "Es ließ sich kein Modell machen: {why}", trains_no: "Training ist hier nicht installiert. Um mit mehr als einigen Clips zu trainieren:",
    lessons: "Beurteilte Fehlalarme", no_lessons: "Wird ein Vorfall als Fehlalarm beurteilt, so löst dergleichen keinen Alarm mehr aus.",
    lesson_taught: "dergleichen löst keinen Alarm mehr aus, ab Fassung {n}", lesson_still_raises: "normal in Fassung {n}, und würde doch gemeldet: Merkwürdig ist, wie sie aufeinander eingehen", lesson_hides_true: "nichts geändert: {hidden}, als echt beurteilt, würde nicht mehr gemeldet", lesson_not_recorded: "nichts geändert: Die Skelette sind nicht aufgenommen", lesson_no_model: "nichts geändert: Kein Modell dieses Orts gilt", lesson_unusable: "nichts geändert: Die Skelette ergeben keinen Clip von zwei Menschen",
    lesson_renewed: "Fassung {n} ist aus allem Gehörten angelernt, Fehlalarme eingeschlossen, und gilt", lesson_not_renewed: "Fassung {n}, aus allem Gehörten angelernt, ist nur vorgeschlagen: {hidden}, als echt beurteilt, würde mit ihr nicht mehr gemeldet",
    calm: "Alles ruhig", unwatched_one: "{source} wird nicht überwacht", unwatched_many: "{n} Quellen werden nicht überwacht", open_one: "1 offener Vorfall", open_many: "{n} offene Vorfälle",
    theme: "Dunkel oder hell", logout: "Abmelden", other_language: "English",
    server_lost: "Der Server antwortet nicht. Was Sie sehen, ist {s} s alt; es wird weiter versucht.",
    detector_lost: "Die Seite läuft, aber der Detektor antwortet nicht: Nichts wird überwacht.",
    login: "Anmelden", token: "Zugangsschlüssel", login_help: "Öffnen Sie einen Link, den `dyadwatch page link` auf dem Rechner des Detektors ausgibt, oder geben Sie Ihren Zugangsschlüssel ein.",
    login_failed: "Dieser Link wurde schon benutzt oder ist abgelaufen. `dyadwatch page link` gibt einen neuen aus.",
    loading: "Lädt …",
    failed: "Das hat nicht geklappt: {why}",
    no_sources: "Noch keine Quelle hat etwas gesendet.", no_sources_help: "Starten Sie eine, etwa `dyadwatch publish simulator`; unter Quellen steht, wie ein eigenes Programm Posen sendet.",
    no_scenes: "Der Detektor gibt keine Posen weiter: Starten Sie ihn mit `dyadwatch up`, oder setzen Sie sinks.people.",
    full: "{source}: groß", back: "Zurück", back_live: "Zurück zu allen Quellen",
    view_of: "Skelette der Menschen in {source}. Pfeiltasten drehen, Plus und Minus zoomen.",
    strip_of: "Wie nahe {source} in der letzten Minute an einem Alarm war; jetzt {value} von 1",
    threshold: "Alarm",
    people_one: "1 Person", people_many: "{n} Personen",
    state_watching: "Wacht", state_behind: "Verspätet", state_blind: "Blind", state_silent: "Stumm", state_learning: "Lernt", state_alarm: "Hinsehen",
    severity_notice: "Hinweis", severity_alarm: "Alarm", severity_critical: "Kritisch",
    status_open: "offen", status_closed: "beendet", acknowledged: "bestätigt", acknowledged_by: "bestätigt von {who}", snoozed: "stumm bis {time}",
    verdict_true: "echt", verdict_false: "Fehlalarm", verdict_unsure: "unklar", verdict_none: "nicht beurteilt",
    about_source_silent: "Quelle stumm", about_source_missing: "Quelle fehlt", about_source_blind: "Quelle blind",
    filter_source: "Quelle", filter_severity: "Mindestens", filter_verdict: "Beurteilt", filter_time: "Zeit", any: "alle",
    last_day: "letzte 24 Stunden", last_week: "letzte 7 Tage", last_month: "letzte 30 Tage", all_time: "alle",
    only_open: "nur offene", only_unacknowledged: "nicht bestätigte",
    none_found: "Kein Vorfall passt.", no_near_misses: "Nichts kam einem Alarm nahe.",
    days: "Vorfälle nach Tagen", day_count: "{day}: {n}",
    near_miss_text: "{pair}: {percent} % dessen, was einen Alarm auslöst",
    days_and_weeks: "Tage", week: "Woche", this_week: "Letzte 7 Tage", week_before: "7 Tage davor", day_before: "Tag davor", day_after: "Tag danach",
    hours_watched: "Überwachte Stunden", judged_false: "Fehlalarme", of_budget: "{n} von {budget}", day_sum: "Vorfälle: {n}. Als Fehlalarm beurteilt, von dem, was das Budget erlaubt: {wrong}.",
    budget_help: "Fehlalarme: von denen, für die die Kalibrierung in den überwachten Stunden bürgt.", nothing_watched: "Nichts wurde überwacht.",
    hours_watching: "{h} h überwacht", hours_learning: "{h} h gelernt", hours_blind: "{h} h blind", hours_silent: "{h} h stumm", hours_none: "nicht überwacht", blind_for: "{why} {h} h",
    legend_watching: "überwacht", legend_learning: "gelernt", legend_blind: "blind", legend_silent: "stumm", legend_off: "niemand wachte",
    push_title: "Benachrichtigungen auf Geräten", push_here: "Auf diesem Gerät melden", push_on: "Auf diesem Gerät wird gemeldet", push_end: "Hier nicht mehr melden", push_added: "Von nun an wird hier gemeldet, auch wenn keine Seite offen ist.",
    push_blocked: "Dieser Browser lässt von dieser Seite keine Benachrichtigungen zu; erlauben Sie sie in seinen Einstellungen.", push_unable: "Dieser Browser nimmt keine Push-Nachrichten an. Auf iPhone und iPad legen Sie die Seite erst auf den Startbildschirm.",
    push_insecure: "Auf Geräten gemeldet wird nur über https, oder auf localhost: siehe page.certificate.", push_unreached: "Der Browser erreicht den Push-Dienst seines Herstellers nicht: {why}",
    push_devices: "Auf {n} Geräten wird gemeldet", push_device_one: "Auf 1 Gerät wird gemeldet", this_device: "dieses Gerät", push_remove: "Entfernen", push_since: "seit {time}", push_least_notice: "alles", push_least_alarm: "Alarme", push_least_critical: "nur Kritisches",
    push_succeeded: "vom Push-Dienst zuletzt angenommen {time}", push_failed: "gescheitert {time}: {why}", push_unused: "noch nichts gesendet",
    timeline: "Letzte 24 Stunden", timeline_of: "{n} Vorfälle in den letzten 24 Stunden, nach Schwere",
    pair: "{a} und {b}",
    play: "Abspielen", pause: "Anhalten", speed: "Tempo", scrubber: "Augenblick des Clips", at_second: "{s} s", begins: "es beginnt",
    no_clip: "Es gibt keinen Clip: {why}",
    lacks_no_recording: "es wird nichts aufgenommen; record.folder setzen", lacks_not_recorded: "zu dieser Zeit wurde niemand aufgenommen, oder es ist schon gelöscht", lacks_unreadable: "die Aufnahme lässt sich nicht lesen",
    lacks_no_pair: "es geht um die Quelle selbst, nicht um Menschen", lacks_unseen: "auf dem Höhepunkt ist von dem Paar zu wenig zu sehen, um es zu vergleichen", lacks_no_calm: "am Tag davor ist kein ruhiger Augenblick zweier Menschen aufgenommen",
    lacks_gave_up: "in der Zeit wurde keiner gefunden; nicht der ganze Tag davor wurde durchsucht", lacks_no_film: "Filme brauchen Pillow und ffmpeg, die dort nicht installiert sind",
    save_as: "Als Datei sichern", making: "Wird gemacht …", made_file: "Gesichert als {name}",
    file_mp4: "Film", file_help_mp4: "MP4: gezeichnete Skelette, darunter die Bewertung", file_mcap: "Aufnahme", file_help_mcap: "MCAP: was aufgenommen wurde; lässt sich abspielen, neu beurteilen, in Foxglove öffnen",
    file_clips: "Felder", file_help_clips: "Zip mit NumPy-Feldern jedes Paares, clips.npz", file_jsonl: "JSON-Zeilen", file_help_jsonl: "Eine Zeile je Bild, wie dyadwatch publish jsonl sie liest",
    this_incident: "Dieser Vorfall", normal: "Wie Normales aussieht", normal_of: "{a} und {b}, {time}: das ähnlichste von {n} ruhigen Fenstern, höchstens {percent} % eines Alarms; verschoben und gedreht, um ebenso zu stehen.",
    normal_view: "Skelette eines ruhigen Augenblicks derselben Quelle, des ähnlichsten.", normal_wait: "Sucht einen normalen Augenblick daneben …", no_normal: "Nichts Normales daneben zu zeigen: {why}",
    clip_view: "Skelette des Vorfalls; die Glieder, die ihn erklären, sind rot. Pfeiltasten drehen.",
    curve_of: "Wie nahe das Paar während des Clips an einem Alarm war; 1 löst einen aus",
    acknowledge: "Bestätigen", snooze: "30 min stumm", end_snooze: "Nicht mehr stumm",
    was: "Was war es?", real: "Echt", false_alarm: "Fehlalarm", unsure: "Unklar",
    note: "Notiz", save_note: "Notiz sichern", copy_link: "Link kopieren", copied: "Kopiert",
    previous: "Neuerer", next: "Älterer",
    keys_help: "Tasten: Leertaste spielt, ← → Schritt, A bestätigt, S stumm, T echt, F Fehlalarm, U unklar, N Notiz, J älterer, K neuerer.",
    history: "Was geschah", pairs: "Paare", pair_line: "{a} und {b}: {why}",
    saved: "Gesichert", may_not: "Ihr Zugang darf nur ansehen.",
    warning_doubtful: "Die Körper sahen merkwürdig aus, als bewertet wurde.",
    when: "Wann", lasted: "{s} s", still: "dauert an", since: "seit {time}",
    action_acknowledge: "bestätigt", action_snooze: "stumm bis {time}", action_snooze_end: "nicht mehr stumm", action_note: "notiert", action_verdict: "beurteilt: {verdict}",
    by: "von {who}",
    rate: "Bilder je Sekunde", frames: "Bilder", windows: "Bewertete Fenster", pairs_now: "Paare nahe beieinander", people_now: "Personen", late: "Verspätung", offset: "Uhr weicht ab um",
    dropped: "Nicht verwendet", findings: "Befunde", no_findings: "Nichts zu beanstanden.",
    snooze_source: "{source} 30 min stumm",
    publish: "Posen aus einem eigenen Programm senden", copy: "Kopieren", publish_help: "Jedes Bild ist eine ZeroMQ-Nachricht aus drei Teilen an {address}. In Python:",
    or_ready: "Oder mit dem, was fertig ist:",
    recording: "Aufnahme", memory: "Gedächtnis", detector: "Detektor", model: "Modell",
    blind_nobody: "niemand im Bild", blind_one_person: "eine Person im Bild", blind_filling: "beginnt zu wachen", blind_silent: "nichts kommt",
    blind_expected: "wird erwartet, kam aber nicht", blind_joints_hidden: "Gelenke verdeckt", blind_overload: "zu viel zu bewerten", blind_frozen: "das Bild steht still",
    blind_turned: "Menschen liegen auf der Seite: falsche Achsen?", blind_upside_down: "Menschen stehen auf dem Kopf: falsche Achsen?", blind_absurd_size: "Menschen von unmöglicher Größe: falsche Einheit?",
    blind_joints_misnamed: "kein Körper hat solche Glieder: falsche Gelenknamen?", blind_flat: "Orte im Bild, ohne Tiefe?",
    blind_layout_unfit: "die Gelenke passen nicht zum Modell", blind_refused: "was sie sendet, wird abgelehnt", blind_nothing_sent: "noch keine Quelle hat etwas gesendet",
    why_relation: "{a} und {b} gingen nicht aufeinander ein, wie es normale Paare tun",
    why_timing: "{a} und {b} waren nicht im Takt: eine Fünftelsekunde früher oder später passte eines zum anderen",
    why_fast: "{joint} von {me}: {speed} m/s, {distance} m vom Punkt „{toward}“ von {other}; normal ist unter {usual} m/s",
    why_near: "{joint} von {me} kam bis auf {distance} m an „{toward}“ von {other}; normal sind mindestens {usual} m",
    why_far: "{joint} von {me} blieb {distance} m von „{toward}“ von {other}; normal sind höchstens {usual} m",
    why_place: "{limb} von {me} war nicht, wo normale Paare es haben: {joint} {off} m daneben",
    reason_opened: "es begann", reason_pair_joined: "ein weiteres Paar gehört dazu", reason_resumed: "es ging nach einer Pause weiter", reason_severity_rose: "es wurde schwerer", reason_absorbed: "ein anderer Vorfall gehört dazu", reason_calm_again: "nichts weiter geschah", reason_merged: "es gehört zu einem anderen Vorfall", reason_back: "die Quelle ist wieder da", reason_clock_step: "die Uhr der Quelle wurde gestellt", reason_merge_changed: "die Quelle kam zu ihrer Gruppe oder verließ sie", reason_station_failed: "der Detektor scheiterte an einem Bild", reason_source_forgotten: "die Quelle war zu lange stumm", reason_end_of_stream: "die Bilder sind zu Ende", reason_shutdown: "der Detektor wurde beendet", reason_interrupted: "der Detektor endete, während er offen war",
    left: "link", right: "recht", head: "Kopf", neck: "Hals", arm: "Arm", leg: "Bein", trunk: "Rumpf", wrist: "Handgelenk", hand: "Hand", elbow: "Ellbogen", shoulder: "Schulter", hip: "Hüfte", knee: "Knie", ankle: "Knöchel", foot: "Fuß", pelvis: "Becken", nose: "Nase", torso: "Rumpf", chest: "Brust",
  },
};

const stored = key => { try { return localStorage.getItem(key); } catch { return null; } };
export const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } };

const wanted = stored("language") || navigator.language.slice(0, 2);
export const language = wanted in TEXTS ? wanted : "en";
export const locale = language === "de" ? "de-DE" : "en-GB";
export const theme = stored("theme");

export function t(key, values = {}) {
  const text = TEXTS[language][key] ?? TEXTS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => name in values ? values[name] : all);
}

export const has = key => key in TEXTS[language];

const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
export const say = value => number.format(value);

const ms = ns => Number(ns) / 1e6;
const CLOCK = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
export function moment(ns) {
  const at = new Date(ms(ns)), today = new Date().toDateString() === at.toDateString();
  return (today ? CLOCK : DATE).format(at);
}
export const fullMoment = ns => new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" }).format(new Date(ms(ns)));

// Of the German adjective before a limb or joint: linker Arm, linkes Knie, linke Hand.
const ENDING = { arm: "er", leg: "es", wrist: "es", hand: "e", elbow: "er", shoulder: "e", hip: "e", knee: "es", ankle: "er", foot: "er" };

function joint(name) {  // left_wrist -> left wrist, linkes Handgelenk
  const [side, ...rest] = ["left", "right"].includes(name.split("_")[0]) ? name.split("_") : ["", ...name.split("_")];
  const word = rest.join("_"), plain = has(word) ? t(word) : word.replaceAll("_", " ");
  if (!side) return plain;
  return language === "de" ? `${t(side)}${ENDING[word] ?? "e"} ${plain}` : `${t(side)} ${plain}`;
}

// The explanation in the page's language; the server's own sentence where it is English anyway, or says more.
export function why(message) {
  const pair = message.pairs?.[0] ?? message;
  if (language === "en" || !pair.rule) return blame(message);
  const [a, b] = pair.pair, relation = pair.rule.part === "relation" || (pair.rule.part === "score" && pair.relation > pair.unusual);
  const how = pair.rule.part === "timing" ? "why_timing" : relation ? "why_relation" : "";
  const words = how ? [t(how, { a, b })] : [];
  if (pair.limb) {
    const l = pair.limb, other = l.person === a ? b : a;
    words.push(t(`why_${l.how}`, {
      joint: joint(l.joint), me: l.person, limb: joint(l.limb), toward: joint(l.toward), other,
      speed: say(l.speed_m_s), distance: say(l.distance_m), off: say(l.off_m), usual: say(l.usual ?? 0),
    }));
  }
  return words.length ? words.join("; ") : message.explanation;
}

function blame(message) {
  const code = message.about?.startsWith("source_") ? t(`about_${message.about}`) : "";
  return code && language !== "en" ? code : message.explanation;
}

// Why nothing of a source can be scored, short; the server's sentence where the table has none.
export const lacks = error => has(`lacks_${error.code}`) ? t(`lacks_${error.code}`) : error.message;
export const blindness = blind => !blind ? "" : has(`blind_${blind.code}`) ? t(`blind_${blind.code}`) : blind.text;
