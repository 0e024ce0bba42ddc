#!/bin/sh
# Patroni runs it once, where it has made the first primary: the backend's user and database.
set -eu
psql -v ON_ERROR_STOP=1 -d "$$1" -f $root/etc/ilot-district/first.sql
