-- Run once, by the first start of PostgreSQL, which has made the database of the store by then.
CREATE DATABASE mlflow;
CREATE DATABASE prefect;
