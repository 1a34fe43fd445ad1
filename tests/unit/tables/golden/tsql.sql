-- [parquet, dated]
-- Whole folders are read: while a run replaces files both generations are seen.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
-- Left out: 'dt': dt= is a folder of the files.
IF SCHEMA_ID('shop') IS NULL EXEC('CREATE SCHEMA [shop]');
GO
CREATE OR ALTER VIEW [shop].[orders] AS
SELECT [r].*, CAST([r].filepath(1) AS date) AS [dt]
FROM OPENROWSET(BULK 'https://account.dfs.core.windows.net/lake/bronze/shop/orders/dt=*/country=*/part-*.parquet', FORMAT = 'PARQUET')
WITH (
  [id] bigint,
  [small] smallint,
  [amount] decimal(18,4),
  [at] datetime2(6),
  [local] datetime2(6),
  [clock] time(6),
  [day] date,
  [is_new] bit,
  [ratio] float,
  [raw] varbinary(max),
  [tags] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [inner] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [country] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [it's "odd"`]]
-- x] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8
) AS [r];
GO

-- [parquet, curated]
-- Whole folders are read: while a run replaces files both generations are seen.
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
IF SCHEMA_ID('shop') IS NULL EXEC('CREATE SCHEMA [shop]');
GO
CREATE OR ALTER VIEW [shop].[orders_silver] AS
SELECT [r].*
FROM OPENROWSET(BULK 'https://account.dfs.core.windows.net/lake/bronze/shop/orders/part-*.parquet', FORMAT = 'PARQUET')
WITH (
  [id] bigint,
  [small] smallint,
  [amount] decimal(18,4),
  [at] datetime2(6),
  [local] datetime2(6),
  [clock] time(6),
  [day] date,
  [is_new] bit,
  [ratio] float,
  [raw] varbinary(max),
  [tags] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [inner] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [country] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [it's "odd"`]]
-- x] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8
) AS [r];
GO

-- [delta, dated]
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
-- Left out: 'dt': dt= is a folder of the files.
IF SCHEMA_ID('shop') IS NULL EXEC('CREATE SCHEMA [shop]');
GO
CREATE OR ALTER VIEW [shop].[orders] AS
SELECT [r].*
FROM OPENROWSET(BULK 'https://account.dfs.core.windows.net/lake/bronze/shop/orders/', FORMAT = 'DELTA')
WITH (
  [id] bigint,
  [small] smallint,
  [amount] decimal(18,4),
  [at] datetime2(6),
  [local] datetime2(6),
  [clock] time(6),
  [day] date,
  [is_new] bit,
  [ratio] float,
  [raw] varbinary(max),
  [tags] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [inner] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [country] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [it's "odd"`]]
-- x] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [dt] date
) AS [r];
GO

-- [delta, curated]
-- Left out: 'huge': there is no type for decimal256(50, 0).
-- Left out: 'fine': there is no type for timestamp[ns].
IF SCHEMA_ID('shop') IS NULL EXEC('CREATE SCHEMA [shop]');
GO
CREATE OR ALTER VIEW [shop].[orders_silver] AS
SELECT [r].*
FROM OPENROWSET(BULK 'https://account.dfs.core.windows.net/lake/bronze/shop/orders/', FORMAT = 'DELTA')
WITH (
  [id] bigint,
  [small] smallint,
  [amount] decimal(18,4),
  [at] datetime2(6),
  [local] datetime2(6),
  [clock] time(6),
  [day] date,
  [is_new] bit,
  [ratio] float,
  [raw] varbinary(max),
  [tags] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [inner] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [country] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8,
  [it's "odd"`]]
-- x] varchar(max) COLLATE Latin1_General_100_BIN2_UTF8
) AS [r];
GO
