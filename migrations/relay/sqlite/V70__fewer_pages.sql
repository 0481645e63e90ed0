-- Every page that a transaction changes is written to the log whole, so what nobody looks for by is
-- not kept. Open reservations are found by open_reservations_of_person, by lease only where several
-- processes share a database; holds are so few at any time that one page is enough for them.

DROP INDEX open_reservations;

ALTER TABLE holds RENAME TO former_holds;

CREATE TABLE holds (
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    lot_id        INTEGER NOT NULL REFERENCES lots (id),
    tokens        INTEGER NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (user_id, generation_id, lot_id)
) STRICT, WITHOUT ROWID;

INSERT INTO holds SELECT user_id, generation_id, lot_id, tokens FROM former_holds;
DROP TABLE former_holds;
