"""The archive's tables and views in ClickHouse, and how they come to be."""
