-- [parquet, dated]
-- Over exactly the files that are committed now: make it again after each run,
-- or give the pipeline a table_format, which DuckDB follows by itself.
-- Left out: 'huge': there is no type for decimal256(50, 0).
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders" AS
SELECT "id", "small", "amount", "at", "local", "fine", "clock", "day", "is_new", "ratio", "raw", "tags", "inner", "country", "it's ""odd""`]
-- x", CAST(substr("_________________file", 33, 10) AS DATE) AS "dt"
FROM read_parquet([
    's3://lake/bronze/shop/orders/dt=2025-01-15/country=DE/part-0.parquet'
], union_by_name = true, hive_partitioning = false, filename = '_________________file');

-- [parquet, curated]
-- Over exactly the files that are committed now: make it again after each run,
-- or give the pipeline a table_format, which DuckDB follows by itself.
-- Left out: 'huge': there is no type for decimal256(50, 0).
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders_silver" AS
SELECT "id", "small", "amount", "at", "local", "fine", "clock", "day", "is_new", "ratio", "raw", "tags", "inner", "country", "it's ""odd""`]
-- x"
FROM read_parquet([
    's3://lake/bronze/shop/orders/part-0.parquet'
], union_by_name = true, hive_partitioning = false);

-- [delta, dated]
-- Once: INSTALL delta; LOAD delta; and a secret for the store.
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders" AS
SELECT * FROM delta_scan('s3://lake/bronze/shop/orders');

-- [delta, curated]
-- Once: INSTALL delta; LOAD delta; and a secret for the store.
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders_silver" AS
SELECT * FROM delta_scan('s3://lake/bronze/shop/orders');

-- [iceberg, dated]
-- Once: INSTALL iceberg; LOAD iceberg; and a secret of TYPE iceberg for the catalog:
-- ATTACH 'w' AS "lake" (TYPE iceberg, ENDPOINT '<the uri of the catalog>');
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders" AS
SELECT * FROM "lake"."shop"."orders";

-- [iceberg, curated]
-- Once: INSTALL iceberg; LOAD iceberg; and a secret of TYPE iceberg for the catalog:
-- ATTACH 'w' AS "lake" (TYPE iceberg, ENDPOINT '<the uri of the catalog>');
CREATE SCHEMA IF NOT EXISTS "shop";
CREATE OR REPLACE VIEW "shop"."orders_silver" AS
SELECT * FROM "lake"."shop"."orders";
