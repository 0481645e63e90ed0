-- What all replicas count together. Unlogged: it is in no log, no backup and no standby, and does not
-- survive the server's crash, after which everybody has their whole allowance again. SQLite has one
-- process, which counts in its memory.

-- Requests of the last minute. A bucket that is full again may go.
CREATE UNLOGGED TABLE request_buckets (
    bucket  TEXT COLLATE "C" PRIMARY KEY,               -- its kind, and whose it is
    full_at BIGINT NOT NULL                             -- the database's clock, Unix microseconds
) WITH (fillfactor = 50);                               -- rows are written over where they are

-- Account streams that are open. One whose lease is not in leases, or has run out, is open no more,
-- and its place is free.
CREATE UNLOGGED TABLE account_streams (
    user_id TEXT NOT NULL,
    place   INTEGER NOT NULL,                           -- from 1 to as many as may be open at once
    stream  TEXT NOT NULL UNIQUE,
    lease   TEXT NOT NULL,                              -- of the process that serves it
    PRIMARY KEY (user_id, place)
);
