-- The source's side of ChangesIT.

CREATE TABLE circle.seat (id int PRIMARY KEY DEFERRABLE, number int UNIQUE DEFERRABLE, v text);
ALTER TABLE circle.seat REPLICA IDENTITY FULL;
CREATE TABLE circle.paper (id int PRIMARY KEY, code uuid NOT NULL, number int UNIQUE DEFERRABLE, f float8, c char(9), scan bytea, body text, parts text[]);
ALTER TABLE circle.paper ALTER scan SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL, ALTER parts SET STORAGE EXTERNAL;
CREATE TABLE circle.file (id int PRIMARY KEY DEFERRABLE, number int UNIQUE DEFERRABLE, body text);
ALTER TABLE circle.file ALTER body SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;

CREATE TABLE parted.event (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parted.event_2025 PARTITION OF parted.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
