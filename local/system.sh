# shellcheck shell=bash
# What up, down, clean, logs, psql and test share; to be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# limit SECONDS COMMAND...: ends it when the time is up; macOS has no `timeout`.
limit() {
  if command -v timeout >/dev/null; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV or exit 127' "$@"; fi
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# why_no_engine: succeeds, and says why, if containers are not the way.
why_no_engine() {
  case ${DOCKER:-} in no | 0 | false) echo 'DOCKER=no'; return ;; esac
  if ! command -v docker >/dev/null; then echo 'there is no docker command'; return; fi
  if ! limit 20 docker info >/dev/null 2>&1; then echo 'no Docker engine answers'; return; fi
  if ! compose version >/dev/null 2>&1; then echo 'Docker has no compose'; return; fi
  return 1
}

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

# container_is_up NAME
container_is_up() { [ -n "$(docker ps -q --filter "name=^$1\$" 2>/dev/null)" ]; }

# Without containers: supervisord's socket and all logs, and what must outlive `make down`.
run_folder=$top/.local/run
# shellcheck disable=SC2034 # for those who source this
data=$top/.local/data
ctl() { RUN_FOLDER=$run_folder "$top/local/supervisor" ctl -c "$top/supervisord.conf" "$@"; }
processes_are_up() { [ -S "$run_folder/supervisor.sock" ] && ctl pid >/dev/null 2>&1; }

# The ports, each with the variable that moves it. Processes that run have noted theirs.
ports() {
  # shellcheck source=/dev/null
  if processes_are_up; then . "$run_folder/ports"; fi
  HTTP_PORT=${HTTP_PORT:-8000} POSTGRES_PORT=${POSTGRES_PORT:-5432} REDIS_PORT=${REDIS_PORT:-6379} KAFKA_PORT=${KAFKA_PORT:-9092}
}

# The command that brings Rust.
rust_command() {
  echo "Rust 1.95 or newer is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . ~/.cargo/env"
}
