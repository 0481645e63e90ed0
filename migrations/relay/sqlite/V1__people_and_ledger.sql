-- People, and the ledger of their tokens.
--
-- Times are Unix milliseconds. Every row of `lots` and `people` obeys
-- granted = available + reserved + spent + expired + revoked, each part at least zero: the
-- database itself refuses a write that would break it.

CREATE TABLE people (
    id                   TEXT PRIMARY KEY,              -- Clerk's user id
    version              INTEGER NOT NULL,              -- of the account snapshot
    email                TEXT,
    clerk_name           TEXT,
    own_name             TEXT,                          -- set here; outlasts Clerk's
    image_url            TEXT,
    locale               TEXT NOT NULL,                 -- es, en
    marketing_emails     INTEGER NOT NULL DEFAULT 1,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    profile_at           INTEGER,                       -- last userinfo that was read
    -- The plan in force, as the snapshot tells it; written by billing only.
    plan_id              TEXT NOT NULL DEFAULT 'free',
    subscription_status  TEXT,
    billing_interval     TEXT,
    period_start         INTEGER,
    period_end           INTEGER,
    cancel_at_period_end INTEGER NOT NULL DEFAULT 0,
    grace_until          INTEGER,
    -- Generations of `month` (YYYY-MM, UTC).
    month                TEXT NOT NULL,
    generations_count    INTEGER NOT NULL DEFAULT 0,
    last_generation_at   INTEGER,
    -- Kept balances; always the sums over the person's lots.
    granted              INTEGER NOT NULL DEFAULT 0,
    available            INTEGER NOT NULL DEFAULT 0 CHECK (available >= 0),
    reserved             INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    spent                INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    expired              INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0),
    revoked              INTEGER NOT NULL DEFAULT 0 CHECK (revoked >= 0),
    CHECK (granted = available + reserved + spent + expired + revoked)
) STRICT;

CREATE INDEX people_by_month ON people (month);

CREATE TABLE lots (
    id         INTEGER PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES people (id),
    source     TEXT NOT NULL UNIQUE,                    -- free:…, invoice:…, upgrade:…, grant:…
    plan_id    TEXT,                                    -- for a plan's lot
    granted    INTEGER NOT NULL CHECK (granted >= 0),
    available  INTEGER NOT NULL CHECK (available >= 0),
    reserved   INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    spent      INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    expired    INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0),
    revoked    INTEGER NOT NULL DEFAULT 0 CHECK (revoked >= 0),
    -- To be revoked as soon as running generations give it back.
    owed       INTEGER NOT NULL DEFAULT 0 CHECK (owed >= 0),
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    ended_at   INTEGER,                                 -- null while it is live
    created_at INTEGER NOT NULL,
    CHECK (granted = available + reserved + spent + expired + revoked)
) STRICT;

CREATE INDEX live_lots_by_person ON lots (user_id, ends_at) WHERE ended_at IS NULL;
CREATE INDEX live_lots_by_end ON lots (ends_at) WHERE ended_at IS NULL;
CREATE INDEX lots_by_person ON lots (user_id);

-- Append-only. `seq` is the order; `id` is what people are shown.
CREATE TABLE entries (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL UNIQUE,
    user_id       TEXT NOT NULL,
    at            INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    tokens        INTEGER NOT NULL CHECK (tokens >= 0),
    generation_id TEXT,
    source        TEXT,
    reason        TEXT,                                  -- why something was revoked
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0)
) STRICT;

CREATE INDEX entries_by_person ON entries (user_id, seq);

CREATE TABLE reservations (
    user_id       TEXT NOT NULL REFERENCES people (id),
    generation_id TEXT NOT NULL,
    tokens        INTEGER NOT NULL CHECK (tokens >= 0),
    state         TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
    charged       INTEGER NOT NULL DEFAULT 0 CHECK (charged >= 0 AND charged <= tokens),
    lease         TEXT NOT NULL,                        -- the process that runs it
    at            INTEGER NOT NULL,
    ended_at      INTEGER,
    PRIMARY KEY (user_id, generation_id)
) STRICT;

CREATE INDEX reservations_by_time ON reservations (user_id, at);
CREATE INDEX open_reservations ON reservations (lease) WHERE state = 'open';

-- How much of an open reservation each lot holds; gone when the reservation ends.
CREATE TABLE holds (
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    lot_id        INTEGER NOT NULL REFERENCES lots (id),
    tokens        INTEGER NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (user_id, generation_id, lot_id)
) STRICT;

CREATE INDEX holds_by_lot ON holds (lot_id);
