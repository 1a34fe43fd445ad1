-- [parquet, dated]
-- Trino reads whole folders: while a run replaces files it may see both generations.
-- A table_format has no such moment. Timestamps need hive.timestamp-precision.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'clock': there is no type for time64[us].
-- Left out: 'dt': dt= is a folder of the files.
CREATE SCHEMA IF NOT EXISTS hive."shop";
CREATE TABLE IF NOT EXISTS hive."shop"."orders" (
  "id" bigint,
  "small" tinyint,
  "amount" decimal(18,4),
  "at" timestamp(6),
  "local" timestamp(6),
  "fine" timestamp(9),
  "day" date,
  "is_new" boolean,
  "ratio" double,
  "raw" varbinary,
  "tags" array(varchar),
  "inner" row("a" integer, "it's ""odd""`]
-- x" varchar),
  "it's ""odd""`]
-- x" varchar,
  "dt" date,
  "country" varchar
)
WITH (
  external_location = 's3://lake/bronze/shop/orders',
  format = 'PARQUET',
  partitioned_by = ARRAY['dt', 'country']
);
CALL hive.system.sync_partition_metadata('shop', 'orders', 'FULL');

-- [parquet, curated]
-- Trino reads whole folders: while a run replaces files it may see both generations.
-- A table_format has no such moment. Timestamps need hive.timestamp-precision.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'clock': there is no type for time64[us].
CREATE SCHEMA IF NOT EXISTS hive."shop";
CREATE TABLE IF NOT EXISTS hive."shop"."orders_silver" (
  "id" bigint,
  "small" tinyint,
  "amount" decimal(18,4),
  "at" timestamp(6),
  "local" timestamp(6),
  "fine" timestamp(9),
  "day" date,
  "is_new" boolean,
  "ratio" double,
  "raw" varbinary,
  "tags" array(varchar),
  "inner" row("a" integer, "it's ""odd""`]
-- x" varchar),
  "country" varchar,
  "it's ""odd""`]
-- x" varchar
)
WITH (
  external_location = 's3://lake/bronze/shop/orders',
  format = 'PARQUET'
);

-- [delta, dated]
CREATE SCHEMA IF NOT EXISTS delta."shop";
CALL delta.system.register_table(schema_name => 'shop', table_name => 'orders', table_location => 's3://lake/bronze/shop/orders');

-- [delta, curated]
CREATE SCHEMA IF NOT EXISTS delta."shop";
CALL delta.system.register_table(schema_name => 'shop', table_name => 'orders_silver', table_location => 's3://lake/bronze/shop/orders');

-- [iceberg, dated]
-- In a catalog of the iceberg connector, which has the table already.
CREATE OR REPLACE VIEW "lake"."shop"."orders_v" AS SELECT * FROM "lake"."shop"."orders";

-- [iceberg, curated]
-- In a catalog of the iceberg connector, which has the table already.
CREATE OR REPLACE VIEW "lake"."shop"."orders_silver_v" AS SELECT * FROM "lake"."shop"."orders";
