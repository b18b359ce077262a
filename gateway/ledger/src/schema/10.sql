-- Format 8. What stands beside a step is fields, as JSON; words of an earlier format stay as a reason.

ALTER TABLE transition RENAME COLUMN note TO beside;
UPDATE transition SET beside = json_object('reason', beside) WHERE beside <> '';

-- Chunks may keep their numbers as decimals. None of them moves; a program that would set such chunks aside as damaged
-- refuses the file by its format instead.
