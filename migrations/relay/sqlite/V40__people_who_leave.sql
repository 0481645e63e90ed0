-- People who leave: what is kept so that nothing of theirs is, and nothing is given twice.
--
-- Hashes are keyed (hash_keys, 'departures'). Times are Unix milliseconds.

-- By the hash of the person's id. Kept for good: a snapshot's version never goes back.
CREATE TABLE departures (
    person        BLOB PRIMARY KEY,
    version       INTEGER NOT NULL,                     -- whoever comes back starts above it
    free_month    TEXT,                                 -- the last month whose free lot they had
    gone_at_clerk INTEGER NOT NULL DEFAULT 0,           -- Clerk knows them no more either
    left_at       INTEGER NOT NULL
) STRICT;

-- By the hash of Stripe's customer id: nobody's any more.
CREATE TABLE departed_customers (
    customer BLOB PRIMARY KEY,
    left_at  INTEGER NOT NULL
) STRICT;

-- Customers at whom something may still live at Stripe; a row goes when nothing does.
CREATE TABLE cancellations (
    customer TEXT PRIMARY KEY,                          -- cus_…
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at   INTEGER NOT NULL                           -- not to be taken before
) STRICT;

-- Sums over everybody who has left. One row.
CREATE TABLE departed_totals (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    people      INTEGER NOT NULL,
    generations INTEGER NOT NULL,
    granted     INTEGER NOT NULL,
    spent       INTEGER NOT NULL,
    expired     INTEGER NOT NULL,
    revoked     INTEGER NOT NULL,
    CHECK (granted = spent + expired + revoked)
) STRICT;

-- The month whose free lot somebody had before they left and came back.
ALTER TABLE people ADD COLUMN former_free_month TEXT;
-- When Clerk last changed what its webhooks said of them.
ALTER TABLE people ADD COLUMN clerk_updated_at INTEGER;

-- Of an event that is only kept and names no customer: what it hangs on, by which it can be found
-- when that is somebody's who leaves.
ALTER TABLE stripe_events ADD COLUMN hangs_on TEXT;
CREATE INDEX events_by_what_they_hang_on ON stripe_events (hangs_on) WHERE hangs_on IS NOT NULL;
CREATE INDEX events_of_customer ON stripe_events (customer) WHERE customer IS NOT NULL;
CREATE INDEX checkouts_by_end ON checkouts (expires_at);
