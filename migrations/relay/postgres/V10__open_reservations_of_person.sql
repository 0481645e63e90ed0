-- How much a person is running is asked at each beginning; it must not cost more with each
-- generation that has ended.

CREATE INDEX open_reservations_of_person ON reservations (user_id) WHERE state = 'open';
