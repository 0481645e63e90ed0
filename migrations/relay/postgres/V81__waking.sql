-- That a generation's endpoint is waking up, for whoever follows it through another replica: when the next
-- try is, and which notice of the kind this is.
ALTER TABLE spool_streams ADD COLUMN waking_ms BIGINT, ADD COLUMN wakings BIGINT NOT NULL DEFAULT 0;
