# shellcheck shell=bash
# What the scripts in this folder share; to be sourced.

# What is unpacked here must be readable for the user that PostgreSQL runs as.
umask 022
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Whatever isn't found on the machine is unpacked here, one folder for each server.
servers=$top/.local/servers

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
usage() { sed -n 's/^#   //p' "$0" >&2; exit 64; }

# on_machine COMMAND: its path. ONLY_UNPACKED=1 hides what the machine has, to try the other way.
on_machine() { [ -z "${ONLY_UNPACKED:-}" ] && command -v "$1"; }

# unpacked NAME: the real path of what was unpacked as NAME (PostgreSQL's user may not follow our link to it).
unpacked() { (cd -P "$servers/$1" 2>/dev/null && pwd) || echo "$servers/$1"; }

# libraries NAME: LD_LIBRARY_PATH for what was unpacked as NAME; only libraries that the machine lacked are there.
libraries() {
  local dir path=
  for dir in "$(unpacked "$1")"/usr/lib/*-linux-* "$(unpacked "$1")"/lib/*-linux-*; do
    if [ -d "$dir" ]; then path=$path${path:+:}$dir; fi
  done
  echo "$path"
}

# Before a command it is run as the user that PostgreSQL runs as: PostgreSQL refuses root.
as_postgres=(env)
if [ "$(id -u)" = 0 ]; then
  postgres_user=nobody
  if id -u postgres >/dev/null 2>&1; then postgres_user=postgres; fi
  as_postgres=(setpriv --reuid="$postgres_user" --regid="$(id -g "$postgres_user")" --clear-groups)
fi

# reachable DIR: makes DIR, and prints the real path of what is behind it. Where root's DIR lies in a folder that
# PostgreSQL's user may not enter, DIR becomes a link to one in /var/lib (not in /tmp: it may hold data to be kept).
reachable() {
  local real
  mkdir -p "$1"
  real=$(cd -P "$1" && pwd)
  if [ "$(id -u)" = 0 ]; then
    chmod a+x "$real"
    if ! "${as_postgres[@]}" test -x "$real"; then
      rmdir "$1" || die "$1: PostgreSQL runs as $postgres_user, who can't reach it, and it isn't empty"
      real=$(mktemp -d /var/lib/cities-cache.XXXXXX)
      chmod 755 "$real"
      ln -s "$real" "$1"
      say "$1 is in $real, since PostgreSQL runs as $postgres_user, who can't reach it here"
    fi
  fi
  echo "$real"
}

# Kafka needs Java 17. (macOS has a `java` that only says that there is none.)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
java_is_there() {
  local version
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 17 ]
}

# Debian's name for it; Ubuntu 22.04's default is older than 17.
java_package() {
  if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then echo openjdk-17-jre-headless; else echo default-jre-headless; fi
}

has_debs() { command -v apt-get >/dev/null && command -v dpkg >/dev/null; }

# mend PACKAGE...: the command that brings what Debian calls so.
mend() {
  local sudo=''
  [ "$(id -u)" = 0 ] || sudo='sudo '
  if has_debs; then
    echo "${sudo}apt-get update && ${sudo}apt-get install -y $*"
  elif command -v brew >/dev/null; then
    echo "brew install $*" | sed 's/default-jre-headless/openjdk/; s/postgresql/postgresql@17/; s/redis-server/redis/; s/g++/gcc/'
  elif command -v dnf >/dev/null; then
    echo "${sudo}dnf install -y $*" |
      sed 's/default-jre-headless/java-21-openjdk-headless/; s/postgresql/postgresql-server/; s/redis-server/redis/; s/g++/gcc-c++/'
  else
    echo "install with this system's package manager: $*"
  fi
}
