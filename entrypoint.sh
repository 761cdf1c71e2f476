#!/bin/sh
# The image's entry point, and that of `make up` without Docker. Wrong settings end it before anything starts, each with
# a line that names it. Every program knows all settings, so asking one of them is enough.
set -e
api --check
# Defaults that the programs don't have by themselves: a line goes to stdout too, which `supervisorctl tail` reads, and
# a consumer that comes back under its name has its partitions at once.
export LOG_TO="${LOG_TO:-both}" KAFKA_GROUP_INSTANCE_ID="${KAFKA_GROUP_INSTANCE_ID:-$(uname -n)}"
exec "$@"
