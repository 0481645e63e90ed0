-- The gauge of events that were given up counts them every few seconds.
CREATE INDEX failed_events ON stripe_events (received_at) WHERE state = 'failed';
