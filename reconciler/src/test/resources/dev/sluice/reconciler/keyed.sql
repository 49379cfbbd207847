SELECT
  concat("id"),
  "id"::text,
  CASE WHEN octet_length("name"::text) <= 200 THEN '=' || "name"::text ELSE '#' || encode(sha256(convert_to("name"::text, 'UTF8')), 'hex') END,
  encode(float8send("weight"), 'hex'),
  CASE WHEN octet_length(textin(bpcharout("code"))) <= 200 THEN '=' || textin(bpcharout("code")) ELSE '#' || encode(sha256(convert_to(textin(bpcharout("code")), 'UTF8')), 'hex') END,
  'same'
FROM "public"."orders"
ORDER BY convert_to(concat("id"), 'UTF8');

SELECT
  concat("id"),
  "id"::text,
  CASE WHEN octet_length("label"::text) <= 200 THEN '=' || "label"::text ELSE '#' || encode(sha256(convert_to("label"::text, 'UTF8')), 'hex') END,
  encode(float8send("weight"), 'hex'),
  CASE WHEN octet_length(textin(bpcharout("code"))) <= 200 THEN '=' || textin(bpcharout("code")) ELSE '#' || encode(sha256(convert_to(textin(bpcharout("code")), 'UTF8')), 'hex') END,
  CASE WHEN "origin"::text = ('it''s'::text)::text THEN 'same' ELSE 'other' END
FROM "sales"."odd""name"
ORDER BY convert_to(concat("id"), 'UTF8');
