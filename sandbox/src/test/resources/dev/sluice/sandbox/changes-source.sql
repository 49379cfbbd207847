-- The source's side of ChangesIT.

CREATE TABLE circle.seat (id int PRIMARY KEY DEFERRABLE, number int UNIQUE DEFERRABLE, v text);
ALTER TABLE circle.seat REPLICA IDENTITY FULL;

CREATE TABLE parted.event (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parted.event_2025 PARTITION OF parted.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
