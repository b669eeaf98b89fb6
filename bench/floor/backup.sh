#!/bin/sh
# The floor of backups: what has to be done for each village, and nothing else. No lock, no check,
# no manifest, no counting; what breaks off is left where it is.
#
#   backup.sh FOLDER take            all villages of FOLDER/codes, two at a time, into FOLDER/out
#   backup.sh FOLDER restore         the same, from the store, into databases and folders of their own
#   backup.sh FOLDER ACTION CODE     one village
#
# FOLDER is written by bench/backup.py: `paths` says where things lie.
set -eu
folder=$1
. "$folder/paths"
store() { ssh -F /dev/null -i "$folder/ssh_key" -o "UserKnownHostsFile=$folder/known_hosts" -n \
  -p "$store_port" "$store_user@127.0.0.1" "$@"; }
sql() { mariadb --no-defaults --user=root --socket="$db_socket" "$@"; }

take() {
  work=$folder/work/$code
  mkdir -p "$work"
  mariadb-dump --no-defaults --user=root --socket="$db_socket" --single-transaction --quick \
    --routines --triggers "${prefix}_opensid_$code" > "$work/database.sql"
  tar -c -C "$work" database.sql -C "$sites/opensid-$code" desa | zstd -q -3 -c |
    age --encrypt --recipient="$recipient" --recipient="$proof" |
    tee "$folder/out/$code.age" | sha256sum > "$folder/out/$code.sha256"
  sync "$folder/out/$code.age"
  rm -r "$work"
}

restore() {
  back=$folder/back/$code
  mkdir -p "$back"
  store cat "floor/$code.age" > "$back/sealed.age"
  test "$(sha256sum < "$back/sealed.age")" = "$(cat "$folder/out/$code.sha256")"
  age --decrypt --identity="$folder/identity" "$back/sealed.age" | zstd -q -d -c |
    tar -x -C "$back"
  sql --execute="CREATE DATABASE floor_$code CHARACTER SET utf8mb3"
  sql "floor_$code" < "$back/database.sql"
  rm "$back/database.sql" "$back/sealed.age"
}

if [ $# -eq 2 ]; then
  mkdir -p "$folder/out"
  xargs -P2 -n1 "$0" "$folder" "$2" < "$folder/codes"
else
  code=$3
  "$2"
fi
