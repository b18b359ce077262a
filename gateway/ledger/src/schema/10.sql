-- Format 8. Chunks may keep their numbers as decimals. Nothing moves; a program that would set such chunks aside as
-- damaged refuses the file instead.

