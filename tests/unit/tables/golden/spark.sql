-- [parquet, dated]
-- Spark reads whole folders: while a run replaces files it may see both generations.
-- A table_format has no such moment. Repeat the last statement after each run.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
-- Left out: 'clock': there is no type for time64[us].
-- Left out: 'dt': dt= is a folder of the files.
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE TABLE IF NOT EXISTS `shop`.`orders` (
  `id` BIGINT,
  `small` TINYINT,
  `amount` DECIMAL(18,4),
  `at` TIMESTAMP,
  `local` TIMESTAMP_NTZ,
  `day` DATE,
  `is_new` BOOLEAN,
  `ratio` DOUBLE,
  `raw` BINARY,
  `tags` ARRAY<STRING>,
  `inner` STRUCT<`a`: INT, `it's "odd"``]
-- x`: STRING>,
  `it's "odd"``]
-- x` STRING,
  `dt` DATE,
  `country` STRING
)
USING PARQUET
PARTITIONED BY (`dt`, `country`)
LOCATION 's3://lake/bronze/shop/orders';
MSCK REPAIR TABLE `shop`.`orders`;

-- [parquet, curated]
-- Spark reads whole folders: while a run replaces files it may see both generations.
-- A table_format has no such moment. Repeat the last statement after each run.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
-- Left out: 'clock': there is no type for time64[us].
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE TABLE IF NOT EXISTS `shop`.`orders_silver` (
  `id` BIGINT,
  `small` TINYINT,
  `amount` DECIMAL(18,4),
  `at` TIMESTAMP,
  `local` TIMESTAMP_NTZ,
  `day` DATE,
  `is_new` BOOLEAN,
  `ratio` DOUBLE,
  `raw` BINARY,
  `tags` ARRAY<STRING>,
  `inner` STRUCT<`a`: INT, `it's "odd"``]
-- x`: STRING>,
  `country` STRING,
  `it's "odd"``]
-- x` STRING
)
USING PARQUET
LOCATION 's3://lake/bronze/shop/orders';
REFRESH TABLE `shop`.`orders_silver`;

-- [delta, dated]
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE TABLE IF NOT EXISTS `shop`.`orders` USING DELTA LOCATION 's3://lake/bronze/shop/orders';

-- [delta, curated]
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE TABLE IF NOT EXISTS `shop`.`orders_silver` USING DELTA LOCATION 's3://lake/bronze/shop/orders';

-- [iceberg, dated]
-- In Spark's own catalog of that name: spark.sql.catalog.lake.
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE OR REPLACE VIEW `shop`.`orders` AS SELECT * FROM `lake`.`shop`.`orders`;

-- [iceberg, curated]
-- In Spark's own catalog of that name: spark.sql.catalog.lake.
CREATE SCHEMA IF NOT EXISTS `shop`;
CREATE OR REPLACE VIEW `shop`.`orders_silver` AS SELECT * FROM `lake`.`shop`.`orders`;
