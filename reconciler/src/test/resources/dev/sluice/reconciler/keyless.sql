SELECT encode(digest, 'hex'), count(*)::text
FROM (
  SELECT sha256(convert_to(ROW(
    "name"::text,
    encode(float8send("weight"), 'hex'))::text, 'UTF8')) AS digest
  FROM "public"."log") AS digests
GROUP BY digest
ORDER BY digest;
