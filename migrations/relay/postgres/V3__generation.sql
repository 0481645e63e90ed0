-- Generations: what a person asked for under which id, and how it ended.
--
-- Never what was asked or said: of the payload only a keyed hash is kept, and the text passes
-- through a spool in a file of its own. A row is kept for good, since its id never runs twice.

CREATE TABLE generations (
    user_id         TEXT NOT NULL REFERENCES people (id),
    id              TEXT NOT NULL,
    payload_hash    BYTEA NOT NULL,
    role            TEXT NOT NULL,
    reserved        BIGINT NOT NULL,
    remaining       BIGINT NOT NULL,                   -- besides, when it was reserved
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT,                            -- null while it runs
    finish_reason   TEXT,                               -- stop, length, cancelled; or
    failure         TEXT,                               -- upstream_failed, interrupted, …
    input_tokens    BIGINT NOT NULL DEFAULT 0,
    output_tokens   BIGINT NOT NULL DEFAULT 0,
    charged         BIGINT NOT NULL DEFAULT 0,
    remaining_after BIGINT,
    last_seq        BIGINT,                            -- null if the process died
    PRIMARY KEY (user_id, id),
    CHECK (charged = input_tokens + output_tokens),
    CHECK (failure IS NULL OR charged = 0)
);

CREATE INDEX running_generations ON generations (user_id) WHERE ended_at IS NULL;

-- Keys of hashes, made at first use. They are no secrets of the service's: they keep a copy of the
-- database from being searched for a known text with a table made beforehand.
CREATE TABLE hash_keys (
    name TEXT PRIMARY KEY,
    key  BYTEA NOT NULL
);
