#!/bin/sh
# The floor of an installation: what has to be done for each village, and nothing else. No lock,
# no check, no record, no second try; a run that breaks off cannot be resumed.
#
#   install.sh FOLDER             all villages of FOLDER/villages, two at a time, then one reload
#   install.sh FOLDER site LINE   one village: code, name, database password, app_key, login hash
#   install.sh FOLDER login LINE  its login page, as soon as the services took their settings
#
# FOLDER is written by bench/floor.py: `paths` says where things lie, the other files hold
# @CODE@, @NAME@, @PASSWORD@, @APP_KEY@ and @HASH@ where a village's own words go.
set -eu
folder=$1
. "$folder/paths"

fill() {
  sed -e "s|@CODE@|$code|g" -e "s|@NAME@|$name|g" -e "s|@PASSWORD@|$password|g" \
    -e "s|@APP_KEY@|$app_key|g" -e "s|@HASH@|$hash|g" "$folder/$1"
}

view() {
  mkdir -p "$1/storage" "$1/assets"
  for part in app donjo-app resources vendor Modules favicon.ico robots.txt LICENSE \
    catatan_rilis.md storage/app; do
    if [ -e "$release/$part" ]; then ln -s "$release/$part" "$1/$part"; fi
  done
  ln "$release/index.php" "$1/index.php"
  for part in "$release"/assets/*; do
    if [ "$part" != "$release/assets/kelola_file" ]; then ln -s "$part" "$1/assets/"; fi
  done
  cp -al "$release/assets/kelola_file" "$1/assets/kelola_file"
  ln -s "../../../storage/fw/$version" "$1/storage/framework"
  ln -s ../../../storage/logs "$1/storage/logs"
  ln -s ../../desa ../../backup_inkremental "$1/"
}

site() {
  home=$sites/opensid-$code
  user=$prefix-opensid-$code
  flock "$folder/accounts" useradd --no-create-home --home-dir "$home" \
    --shell /usr/sbin/nologin --user-group -K UID_MIN=20000 -K UID_MAX=59999 \
    -K GID_MIN=20000 -K GID_MAX=59999 -K SUB_UID_COUNT=0 -K SUB_GID_COUNT=0 -- "$user"

  mkdir -p "$home/rel" "$home/desa" "$home/storage/logs" "$home/storage/fw/$version/views" \
    "$home/storage/fw/$version/cache" "$home/backup_inkremental" "$home/tmp"
  view "$home/rel/$version"
  ln -s "rel/$version" "$home/current"
  tar -xf "$golden/desa.tar" -C "$home/desa"
  mkdir "$home/desa/config"
  fill database.php > "$home/desa/config/database.php"
  fill config.php > "$home/desa/config/config.php"
  printf %s "$app_key" > "$home/desa/app_key"
  chown -R "$user:$web_group" "$home/desa"
  chown -R "$user:$user" "$home/storage" "$home/backup_inkremental" "$home/tmp"
  chown -R "root:$user" "$home/desa/config"
  chmod -R o-rwx "$home/desa" "$home/storage" "$home/backup_inkremental" "$home/tmp"

  { fill database.sql; gzip -dc "$golden/golden.sql.gz"; fill identity.sql; } |
    mariadb --no-defaults --user=root --socket="$db_socket"

  fill pool.conf > "$pools/siappakai-opensid-$code.conf"
  fill vhost.conf > "$vhosts/opensid-$code.conf"
}

login() {
  for _ in $(seq 200); do
    if curl -fs -o /dev/null -H "Host: d$code.desa.test:$port" \
      "http://127.0.0.1:$port/index.php/siteman"; then return; fi
    sleep 0.05
  done
  echo "no login page of $code" >&2
  exit 255
}

if [ $# -eq 1 ]; then
  xargs -d '\n' -P2 -n1 "$0" "$folder" site < "$folder/villages"
  kill -USR2 "$(cat "$php_pid")"
  kill -HUP "$(cat "$nginx_pid")"
  xargs -d '\n' -P2 -n1 "$0" "$folder" login < "$folder/villages"
else
  IFS='	' read -r code name password app_key hash <<LINE
$3
LINE
  "$2"
fi
