-- Which processes are alive: each renews its row by the database's clock. What is open under a lease
-- that is not here, or has run out, is ended by whoever sees it.

CREATE TABLE leases (
    id         TEXT PRIMARY KEY,                        -- as in reservations.lease
    expires_at BIGINT NOT NULL                          -- the database's clock, Unix milliseconds
);
