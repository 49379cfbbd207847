-- Rows that are there before the slot is: about 200 bytes of jsonb and, in four of five, about 100 bytes of text.

INSERT INTO copied
SELECT id, id % 50000, (ARRAY['new', 'paid', 'packed', 'sent', 'returned'])[1 + id % 5], (id % 100000) / 100.0,
       jsonb_build_object(
           'lines', jsonb_build_array(
               jsonb_build_object('sku', md5(id::text), 'quantity', 1 + id % 9, 'price', (id % 1000) / 10.0),
               jsonb_build_object('sku', md5((id + 1)::text), 'quantity', 1 + id % 7, 'price', (id % 900) / 10.0))),
       CASE WHEN id % 5 > 0 THEN 'Please leave it with the neighbours, ' || repeat(md5(id::text), 2) END,
       timestamptz '2025-01-01 00:00:00+00' + id * interval '7 seconds',
       timestamptz '2025-06-01 00:00:00+00' + id * interval '7 seconds'
FROM generate_series(1, :rows) AS id;
