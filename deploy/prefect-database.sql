-- Prefect's own database, beside the ledger's; run once, when Postgres makes its folder.
CREATE DATABASE prefect OWNER kentongan;
