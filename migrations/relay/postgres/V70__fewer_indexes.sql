-- Holds are found by their generation, and are so few at any time that a lot's are found without it.

DROP INDEX holds_by_lot;
