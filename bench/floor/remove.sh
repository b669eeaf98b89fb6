#!/bin/sh
# Takes away what install.sh made, between two rounds; not timed.
set -eu
folder=$1
. "$folder/paths"
while IFS='	' read -r code _; do
  rm -f "$pools/siappakai-opensid-$code.conf" "$vhosts/opensid-$code.conf"
  printf 'DROP DATABASE IF EXISTS `%s_opensid_%s`; DROP USER IF EXISTS %s_opensid_%s@localhost;\n' \
    "$prefix" "$code" "$prefix" "$code"
done < "$folder/villages" | mariadb --no-defaults --user=root --socket="$db_socket"
kill -USR2 "$(cat "$php_pid")"
kill -HUP "$(cat "$nginx_pid")"
while IFS='	' read -r code _; do
  user=$prefix-opensid-$code
  while pgrep -u "$user" > /dev/null; do sleep 0.1; done
  userdel "$user"
  rm -rf "$sites/opensid-$code"
done < "$folder/villages"
