-- Format 6. An alarm keeps the number of the one that explained it, and what happened is found by its time.

ALTER TABLE alarm ADD COLUMN cause INTEGER;
UPDATE alarm SET cause = (
    SELECT CAST(substr(t.note, 4) AS INTEGER) FROM transition t
    WHERE t.kind = 'alarm' AND t.subject = alarm.id AND t.next = 'suppressed' AND t.note GLOB 'AL-[0-9]*'
    ORDER BY t.id DESC LIMIT 1
);
CREATE INDEX alarm_by_cause ON alarm (cause, id) WHERE cause IS NOT NULL;
CREATE INDEX alarm_late ON alarm (id) WHERE state = 'late';
CREATE INDEX alarm_live ON alarm (id) WHERE live;
CREATE INDEX transition_by_time ON transition (kind, at);
