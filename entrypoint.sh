#!/bin/sh
# The image's entry point. Wrong settings end the container before anything starts, with the line that names them;
# each program knows all settings, and the first that finds something wrong has the word.
set -e
for program in pg-notify-worker kafka-consumer api; do
  "$program" --check
done
exec "$@"
