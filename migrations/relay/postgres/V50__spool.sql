-- What running and just ended generations have said, for whoever attaches again through any replica;
-- gone a quarter of an hour after their end. Unlogged: it is in no log, no backup and no standby, and
-- does not survive the server's crash. Nothing that is about money refers to it.

CREATE UNLOGGED TABLE spool_streams (
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    ended_at      BIGINT,                               -- null while it runs
    PRIMARY KEY (user_id, generation_id)
);

CREATE INDEX spool_streams_by_end ON spool_streams (ended_at);

-- A chunk holds what was said between two writes: whole frames, as they were on the wire.
CREATE UNLOGGED TABLE spool_chunks (
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    first_seq     BIGINT NOT NULL,
    last_seq      BIGINT NOT NULL,
    frames        BYTEA NOT NULL,
    PRIMARY KEY (user_id, generation_id, first_seq),
    FOREIGN KEY (user_id, generation_id) REFERENCES spool_streams ON DELETE CASCADE
);

-- Minutes of text are not worth the time to compress them.
ALTER TABLE spool_chunks ALTER COLUMN frames SET STORAGE EXTERNAL;

-- Generations that somebody wants stopped and that another replica runs: it looks here, and takes
-- what is addressed to its lease.
CREATE UNLOGGED TABLE stop_requests (
    lease         TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,                        -- empty: all of a person who has left
    at            BIGINT NOT NULL,
    PRIMARY KEY (lease, user_id, generation_id)
);
